import base64
import json
import zlib

import numpy as np
import pytest
from shapes import box, torus

from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.point_cloud import PointCloud
from ltm3d.serving.packing import disc_radius, pack_shape, squeeze_shape
from ltm3d.splatting.record import Gaussians
from ltm3d.tokenizers.shape import Shape

DTYPES = {"i1": "i1", "u1": "u1", "i2": "<i2", "u2": "<u2", "u4": "<u4"}


def make_cloud(num_points: int = 300) -> PointCloud:
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(num_points, 3)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return PointCloud(0.6 * normals, normals, rng.integers(0, 256, (num_points, 3)).astype(np.uint8))


def make_gaussians(num_gaussians: int = 200) -> Gaussians:
    rng = np.random.default_rng(1)
    return Gaussians(
        means=rng.uniform(-0.9, 0.9, (num_gaussians, 3)),
        log_scales=rng.uniform(-7, -2, (num_gaussians, 3)),
        quats=rng.normal(size=(num_gaussians, 4)) * 3,
        opacity_logits=rng.normal(size=num_gaussians) * 3,
        colors=rng.uniform(0, 1, (num_gaussians, 3)),
    )


def unpack(packed: dict) -> dict[str, np.ndarray]:
    return {
        name: np.frombuffer(base64.b64decode(text), DTYPES[kind]) for name, (kind, text) in packed["arrays"].items()
    }


def unsqueeze(text: str) -> dict[str, np.ndarray]:
    """An independent reading of the layout that `squeeze_shape` documents."""
    data = zlib.decompress(base64.b64decode(text))
    start = 4 + int.from_bytes(data[:4], "little")
    arrays = {}
    for name, kind, rows, columns in json.loads(data[4:start])["arrays"]:
        width = int(kind[1])
        end = start + rows * columns * width
        planes = np.frombuffer(data[start:end], np.uint8).reshape(width, columns, rows).astype(np.int64)
        start = end
        folded = sum(planes[byte] << (8 * byte) for byte in range(width))
        steps = np.where(folded % 2 == 0, folded // 2, -(folded + 1) // 2)
        arrays[name] = (np.cumsum(steps, axis=1).T.reshape(-1) % (1 << (8 * width))).astype(f"<u{width}")
        arrays[name] = arrays[name].view(DTYPES[kind])
    assert start == len(data)
    return arrays


@pytest.mark.parametrize(
    "shape",
    [torus(), box(color=(1, 2, 255)), make_cloud(), PointCloud(make_cloud().points), make_gaussians()],
    ids=["mesh", "coloured mesh", "cloud", "bare cloud", "gaussians"],
)
def test_squeezing_loses_nothing(shape: Shape) -> None:
    plain, squeezed = unpack(pack_shape(shape)), unsqueeze(squeeze_shape(shape))
    assert plain.keys() == squeezed.keys()
    for name, values in plain.items():
        np.testing.assert_array_equal(squeezed[name], values, err_msg=name)
    assert squeeze_shape(shape) == squeeze_shape(shape)


def test_a_squeezed_surface_is_less_than_half_as_long() -> None:
    mesh = torus()
    assert len(squeeze_shape(mesh)) < len(json.dumps(pack_shape(mesh))) / 2


def test_positions_are_packed_to_a_thirty_thousandth() -> None:
    mesh = torus()
    packed = pack_shape(mesh)
    back = unpack(packed)["positions"].reshape(-1, 3) * packed["scale"]
    np.testing.assert_allclose(back, mesh.vertices, atol=np.abs(mesh.vertices).max() / 32767)
    many = Mesh(np.zeros((70_000, 3)), np.array([[0, 1, 69_999]]))
    assert unpack(pack_shape(many))["faces"].tolist() == [0, 1, 69_999]


def test_gaussians_keep_their_sizes_directions_and_colours() -> None:
    gaussians = make_gaussians()
    arrays = unpack(pack_shape(gaussians))
    np.testing.assert_allclose(arrays["log_scales"].reshape(-1, 3) / 1000, gaussians.log_scales, atol=6e-4)
    quats = arrays["quats"].reshape(-1, 4).astype(float)
    unit = gaussians.quats / np.linalg.norm(gaussians.quats, axis=1, keepdims=True)
    cosine = (quats * unit).sum(axis=1) / np.linalg.norm(quats, axis=1)
    assert cosine.min() > 0.9999
    np.testing.assert_allclose(arrays["opacities"] / 255, gaussians.opacities, atol=0.003)
    np.testing.assert_allclose(arrays["colors"].reshape(-1, 3) / 255, gaussians.colors, atol=0.003)


def test_discs_close_a_grid_of_points() -> None:
    step = 0.1
    axis = step * np.arange(12)
    grid = np.stack([*np.meshgrid(axis, axis), np.zeros((12, 12))], axis=-1).reshape(-1, 3).astype(np.float32)
    assert step / np.sqrt(2) < disc_radius(grid) < 1.2 * step, "the middle of four points is covered"
    assert disc_radius(grid[:1]) > 0
