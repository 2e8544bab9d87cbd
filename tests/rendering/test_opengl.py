import os
import threading
from dataclasses import dataclass

import numpy as np
import pytest
from shapes import box, inside_out, sphere, torus

from ltm3d.errors import ConfigError
from ltm3d.geometry.cleaning import clean_mesh
from ltm3d.geometry.loading import load_mesh
from ltm3d.geometry.mesh import Mesh, concatenate, position_ids
from ltm3d.geometry.normalize import normalize
from ltm3d.rendering import embree, opengl
from ltm3d.rendering.cameras import ViewConfig, orbit_camera, orbit_distance, view_cameras

pytestmark = pytest.mark.usefixtures("opengl_backend")

SHEET = Mesh(
    np.array([[-0.8, -0.6, 0], [0.8, -0.6, 0], [0.8, 0.6, 0], [-0.8, 0.6, 0]]),
    np.array([[0, 1, 2], [0, 2, 3]]),
    np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]]),
)
RED_AND_BLUE = Mesh(
    sphere().vertices, sphere().faces, np.where(sphere().vertices[:, :1] > 0, [[250, 20, 20]], [[20, 20, 250]])
)
SHAPES = {
    "sphere": sphere(),
    "box": box((1.9, 1.0, 0.6)),
    "torus": torus(),
    "two colours": RED_AND_BLUE,
    "open sheet": SHEET,
    "one behind another": concatenate([box((0.5, 0.5, 0.5), (0.3, 0.1, 0.6), (255, 0, 0)), sphere(0.7)]),
    "wound inwards": inside_out(torus()),
}


@dataclass
class Difference:
    """What is apart in the two renderers' pictures of the same views.

    Attributes:
        alpha: share of the covered pixels whose alpha is not the same.
        depth, normals, colors: share of the wholly covered pixels that are apart by more than the last digit of the
            record: one step of float16, of int8, of uint8.
    """

    alpha: float
    depth: float
    normals: float
    colors: float


def difference(mesh: Mesh, cameras: np.ndarray, config: ViewConfig) -> Difference:
    reference, fast = (module.render(mesh, cameras, config=config) for module in (embree, opengl))
    alpha, other = reference.images[..., 3], fast.images[..., 3]
    whole = (alpha == 255) & (other == 255)
    assert whole.any()
    depth = np.abs(reference.depth.astype(float) - fast.depth) > 1.01 * np.spacing(reference.depth).astype(float)
    normals = np.abs(reference.normals.astype(int) - fast.normals).max(axis=-1) > 1
    colors = np.abs(reference.images.astype(int) - fast.images)[..., :3].max(axis=-1) > 1
    return Difference(
        alpha=float((alpha != other).sum() / ((alpha > 0) | (other > 0)).sum()),
        depth=float(depth[whole].mean()),
        normals=float(normals[whole].mean()),
        colors=float(colors[whole].mean()),
    )


@pytest.mark.parametrize("supersample", [1, 2, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_pictures_are_the_reference_renderers(shape: str, supersample: int) -> None:
    """All around, from above and from below. Measured: at most 0.03 %, all of it on edges."""
    config = ViewConfig(num_random_views=3, resolution=64, supersample=supersample, elevation_range=(-40, 60))
    apart = difference(SHAPES[shape], view_cameras(config, 0, SHAPES[shape]), config)
    assert apart.alpha < 1e-3
    assert max(apart.depth, apart.normals, apart.colors) < 2e-3


def test_the_back_of_a_sheet_is_seen_like_its_front() -> None:
    config = ViewConfig(resolution=64)
    cameras = np.stack([orbit_camera(azimuth, 10, orbit_distance(config)) for azimuth in (15, 195)])
    for mesh in (SHEET, inside_out(SHEET)):
        views = opengl.render(mesh, cameras, config=config)
        front, back = (views.normals[view][views.images[view, ..., 3] == 255] for view in (0, 1))
        assert (front == [0, 0, 127]).all() and (back == [0, 0, -127]).all() and len(back) > 500


def test_real_meshes_look_the_same_with_both(shared_data) -> None:
    """Measured on 75 of them: at most 0.4 % of the pixels apart, half of them below 0.03 %."""
    paths = [
        *sorted(shared_data.glob("shapenet/*/*/models/*.obj"))[::90],
        *sorted(shared_data.glob("objaverse/**/*.glb"))[::110],
    ]
    config = ViewConfig(num_views=3, resolution=96, elevation_range=(-10, 45))
    parts = []
    for path in paths:
        mesh, _ = normalize(clean_mesh(load_mesh(path, root=path.parents[1])))
        mesh = without_twins(mesh)
        parts.append(difference(mesh, view_cameras(config, 0, mesh), config))
    for name in ("alpha", "depth", "normals", "colors"):
        shares = [getattr(part, name) for part in parts]
        assert np.median(shares) < 1e-3 and max(shares) < 1e-2, (name, shares)


def without_twins(mesh: Mesh) -> Mesh:
    """Keep one of the faces with the same three corners: which of them is seen is up to the renderer."""
    corners = np.sort(position_ids(mesh)[mesh.faces], axis=1)
    _, first = np.unique(corners, axis=0, return_index=True)
    return Mesh(mesh.vertices, mesh.faces[np.sort(first)], mesh.vertex_colors)


def test_context_and_buffers_are_kept_from_asset_to_asset() -> None:
    small, large = ViewConfig(resolution=32), ViewConfig(resolution=48)
    first = paint(box(), small)
    device = opengl._devices[os.getpid()]
    canvases = device.canvases
    paint(sphere(), small)
    assert opengl._devices[os.getpid()] is device and device.canvases is canvases
    paint(sphere(), large)
    assert device.canvases is not canvases and len(opengl._devices) == 1
    assert np.array_equal(paint(box(), small), first)  # whatever was painted before


def test_after_close_the_next_picture_opens_anew() -> None:
    before = paint(torus(), ViewConfig(resolution=32))
    opengl.close()
    opengl.close()
    assert not opengl._devices
    assert np.array_equal(paint(torus(), ViewConfig(resolution=32)), before)


def test_memory_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    vertices, index = np.zeros((200_000, 9), np.float32), np.zeros((1, 3), np.uint32)  # 7 MB an asset
    monkeypatch.setattr(opengl, "_vertices", lambda mesh: (vertices, index))

    def assets(count: int) -> None:
        for number in range(count):
            paint(box(), ViewConfig(num_views=1, resolution=128 + 64 * (number % 2)))

    assets(4)
    before = resident_mib()
    assets(40)
    assert resident_mib() - before < 40


def test_threads_take_turns() -> None:
    config = ViewConfig(num_views=2, resolution=32)
    found: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: found.append(paint(torus(), config))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and all(np.array_equal(images, paint(torus(), config)) for images in found)


def test_a_picture_too_large_for_opengl_says_so() -> None:
    with pytest.raises(ConfigError, match=r"resolution 4096 x supersample 8 is 32768; .* set renderer: embree"):
        paint(box(), ViewConfig(resolution=4096, supersample=8))
    assert paint(box(), ViewConfig(resolution=32)).any()  # and the next one is painted


def paint(mesh: Mesh, config: ViewConfig) -> np.ndarray:
    return opengl.render(mesh, view_cameras(config, 0, mesh), config=config).images


def resident_mib() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
