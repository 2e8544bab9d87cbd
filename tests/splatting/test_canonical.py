import numpy as np
from scipy.spatial.transform import Rotation

from ltm3d.geometry.morton import morton_order
from ltm3d.splatting.camera import pinhole
from ltm3d.splatting.canonical import canonicalize
from ltm3d.splatting.rasterize import rasterize
from ltm3d.splatting.record import Gaussians, from_parameters, to_parameters


def some(count: int = 200) -> Gaussians:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(count, 14)) * 0.5
    table[:, 3:6] -= 2
    return from_parameters(table.astype(np.float32))


def covariances(gaussians: Gaussians) -> np.ndarray:
    axes = Rotation.from_quat(gaussians.quats, scalar_first=True).as_matrix() * gaussians.scales[:, None]
    return axes @ axes.transpose(0, 2, 1)


def test_the_gaussians_stay_the_same() -> None:
    before, after = some(), canonicalize(some())
    order = morton_order(before.means)
    assert np.allclose(covariances(after), covariances(before)[order], atol=1e-5)
    camera = np.eye(4, dtype=np.float32)
    camera[2, 3] = 4.0
    view = pinhole(camera, field_of_view=40.0, resolution=32)
    rgbas = [rasterize(to_parameters(gaussians), view).rgba for gaussians in (before, after)]
    assert np.percentile(np.abs(rgbas[0] - rgbas[1]), 99) < 1e-4


def test_axes_and_signs_have_one_form() -> None:
    after = canonicalize(some())
    assert (np.diff(after.log_scales, axis=1) <= 0).all()
    assert np.allclose(np.linalg.norm(after.quats, axis=1), 1, atol=1e-5)
    assert (after.quats[:, 0] >= np.abs(after.quats[:, 1:]).max(axis=1)).all()


def test_any_order_and_any_of_the_24_rotations_give_the_same() -> None:
    before = some()
    table = to_parameters(before)
    turned = Rotation.from_quat(before.quats, scalar_first=True) * Rotation.from_euler("xz", [90, 90], degrees=True)
    # own axes after the turn: x' = y, y' = z, z' = x, up to sign
    places = np.abs(Rotation.from_euler("xz", [90, 90], degrees=True).as_matrix()).argmax(axis=0)
    table[:, 3:6] = before.log_scales[:, places]
    table[:, 6:10] = -3 * turned.as_quat(scalar_first=True)
    other = from_parameters(table[np.random.default_rng(1).permutation(len(table))])
    assert np.allclose(to_parameters(canonicalize(other)), to_parameters(canonicalize(before)), atol=1e-5)


def test_no_gaussians_stay_none() -> None:
    assert len(canonicalize(from_parameters(np.zeros((0, 14), np.float32)))) == 0
