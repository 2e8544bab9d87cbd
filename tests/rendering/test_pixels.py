import numpy as np
import pytest
from shapes import box, sphere

from ltm3d.geometry.base_color import linear_to_srgb
from ltm3d.geometry.mesh import Mesh
from ltm3d.rendering.cameras import ViewConfig, orbit_camera, view_cameras
from ltm3d.rendering.embree import render
from ltm3d.rendering.pixels import PixelSums, Window, develop, window_of

CONFIG = ViewConfig(resolution=8, supersample=2)
ROW = Window(rows=slice(2, 3), columns=slice(4, 7))


def sums(light: list, normals: list, depth: list) -> PixelSums:
    """One row of pixels."""
    light, normals, depth = (np.array([part], np.float32) for part in (light, normals, depth))
    return PixelSums(light=light, normals=normals, depth=depth)


def test_a_pixel_is_the_mean_of_its_covered_samples() -> None:
    image, depth, normals = develop(
        sums(
            light=[[0.4, 0.8, 0.0, 2.0], [0.5, 0.5, 0.5, 4.0], [0.0, 0.0, 0.0, 0.0]],
            normals=[[0.0, 3.0, 4.0], [0.0, -0.1, 0.0], [0.0, 0.0, 0.0]],
            depth=[1.5, 2.0, np.inf],
        ),
        ROW,
        CONFIG,
    )
    assert image.dtype == np.uint8 and depth.dtype == np.float16 and normals.dtype == np.int8
    expected = linear_to_srgb(np.array([[0.2, 0.4, 0.0], [0.125] * 3, [0.0] * 3]))
    assert np.abs(image[2, 4:7, :3].astype(int) - expected).max() <= 1
    assert image[2, 4:7, 3].tolist() == [128, 255, 0]
    assert depth[2, 4:7].tolist() == [1.5, 2.0, 0.0]
    assert normals[2, 4:7].tolist() == [[0, 76, 102], [0, -127, 0], [0, 0, 0]]  # length 127, however many samples
    for part in (image, depth, normals):
        assert part.shape[:2] == (8, 8)
        part[2, 4:7] = 0
        assert not part.any()


def test_light_above_1_is_white() -> None:
    one = Window(rows=slice(0, 1), columns=slice(0, 1))
    image, _, _ = develop(sums([[9.0, 3.0, 2.0, 2.0]], [[0.0, 0.0, 2.0]], [1.0]), one, CONFIG)
    assert image[0, 0].tolist() == [255, 255, 255, 128]


@pytest.mark.parametrize("junk", [0.0, 1e30, np.inf])
def test_the_depth_of_the_background_is_0(junk: float) -> None:
    one = Window(rows=slice(0, 1), columns=slice(0, 1))
    _, depth, _ = develop(sums([[0.0] * 4], [[0.0] * 3], [junk]), one, CONFIG)
    assert depth[0, 0] == 0


@pytest.mark.parametrize("mesh", [box((1.9, 0.2, 0.3)), sphere(0.5), box((0.1, 1.2, 0.1), center=(0.4, 0, -0.2))])
def test_the_window_holds_the_mesh_and_little_else(mesh: Mesh) -> None:
    config = ViewConfig(resolution=64, fill=0)
    for camera in view_cameras(config, 0):
        window = window_of(mesh, camera, config)
        alpha = render(mesh, camera[None], config=config).images[0, ..., 3]
        for part, axis in ((window.rows, 1), (window.columns, 0)):
            seen = np.flatnonzero(alpha.any(axis=axis))
            assert part.start <= seen[0] <= part.start + 2 and part.stop - 3 <= seen[-1] < part.stop


def test_the_window_is_the_whole_picture_around_the_camera_and_empty_beside_it() -> None:
    around, beside = orbit_camera(0, 0, 0.0), orbit_camera(0, 0, 3.0)
    assert window_of(box(), around, CONFIG).shape == (8, 8)
    for offset, shape in ((50, 0), (-50, 0)):
        beside[0, 3] = offset
        assert window_of(box(), beside, CONFIG).shape[1] == shape
