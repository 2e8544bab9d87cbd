import numpy as np
import pytest
from shapes import box, sphere

from ltm3d.errors import ConfigError
from ltm3d.rendering.cameras import (
    CANONICAL_AZIMUTH,
    CANONICAL_ELEVATION,
    ViewConfig,
    fit_cameras,
    orbit_camera,
    orbit_distance,
    view_cameras,
    view_lights,
)


def azimuth_elevation(camera: np.ndarray) -> tuple[float, float]:
    x, y, z = camera[:3, 2]  # backwards
    return float(np.degrees(np.arctan2(x, z))), float(np.degrees(np.arcsin(y)))


def extent_in_picture(camera: np.ndarray, points: np.ndarray, config: ViewConfig) -> np.ndarray:
    """Lowest and highest x and y over the picture, whose borders are -1 and 1."""
    seen = (points - camera[:3, 3]) @ camera[:3, :3]
    plane = seen[:, :2] / (-seen[:, 2:] * config.half_tangent)
    return np.stack([plane.min(axis=0), plane.max(axis=0)])


def test_azimuth_0_looks_at_the_front_and_grows_towards_plus_x() -> None:
    front, side = orbit_camera(0, 0, 3.0), orbit_camera(90, 0, 3.0)
    assert front[:3, 3] == pytest.approx([0, 0, 3]) and side[:3, 3] == pytest.approx([3, 0, 0])
    assert front[:3, 0] == pytest.approx([1, 0, 0]) and front[:3, 1] == pytest.approx([0, 1, 0])
    for camera in (front, side, orbit_camera(200, 70, 2.0)):
        assert camera[:3, :3].T @ camera[:3, :3] == pytest.approx(np.eye(3), abs=1e-6)
        assert np.linalg.det(camera[:3, :3]) == pytest.approx(1)
        assert camera[:3, 3] / np.linalg.norm(camera[:3, 3]) == pytest.approx(camera[:3, 2], abs=1e-6)


def test_the_first_view_is_canonical_and_the_others_go_around() -> None:
    config = ViewConfig(num_views=6, azimuth_jitter=20, elevation_range=(5, 35))
    cameras = view_cameras(config, (0, "chair"))
    assert cameras.shape == (6, 4, 4) and cameras.dtype == np.float32
    assert azimuth_elevation(cameras[0]) == pytest.approx((CANONICAL_AZIMUTH, CANONICAL_ELEVATION), abs=1e-3)
    for view, camera in enumerate(cameras[1:], start=1):
        azimuth, elevation = azimuth_elevation(camera)
        difference = (azimuth - CANONICAL_AZIMUTH - 60 * view + 180) % 360 - 180
        assert abs(difference) <= 20 and 5 <= elevation <= 35


def test_views_stay_in_their_azimuth_range() -> None:
    config = ViewConfig(num_views=4, azimuth_range=(-30, 90), azimuth_jitter=15)
    azimuths = [azimuth_elevation(camera)[0] for camera in view_cameras(config, "lamp")]
    assert azimuths[0] == pytest.approx(CANONICAL_AZIMUTH, abs=1e-3)
    for azimuth, middle in zip(azimuths[1:], (60, -30, 0), strict=True):
        assert abs((azimuth - middle + 180) % 360 - 180) <= 15
    with pytest.raises(ConfigError, match="azimuth_range"):
        ViewConfig(azimuth_range=(90, 180))


def test_jitter_depends_on_the_key_alone() -> None:
    config = ViewConfig()
    first, again, other = (view_cameras(config, key) for key in ((0, "a"), (0, "a"), (0, "b")))
    assert np.array_equal(first, again)
    assert np.array_equal(first[0], other[0]) and not np.allclose(first[1:], other[1:])


@pytest.mark.parametrize("mesh", [box((1.9, 0.2, 0.3)), sphere(0.95), box((0.1, 1.9, 0.1), center=(0.4, 0, -0.2))])
def test_fitted_cameras_centre_the_object_and_fill_the_picture(mesh) -> None:
    config = ViewConfig(fill=0.9)
    loose = view_cameras(config, 1)
    for camera, before in zip(view_cameras(config, 1, mesh), loose, strict=True):
        low, high = extent_in_picture(camera, mesh.vertices, config)
        assert ((high - low) / 2).max() == pytest.approx(0.9, abs=1e-3)
        assert np.abs(high + low).max() < 0.005
        assert np.array_equal(camera[:3, :3], before[:3, :3])


def test_without_fill_the_whole_frame_always_fits() -> None:
    config = ViewConfig(fill=0)
    frame = box((1.9, 1.9, 1.9))
    for camera in view_cameras(config, 3, frame):
        assert np.linalg.norm(camera[:3, 3]) == pytest.approx(orbit_distance(config), rel=1e-5)
        assert np.abs(extent_in_picture(camera, frame.vertices, config)).max() <= 1
    assert np.array_equal(fit_cameras(loose := view_cameras(config, 3), frame, config=config), loose)


def test_the_random_set_stands_beside_the_fixed_one() -> None:
    alone, both = ViewConfig(num_views=3), ViewConfig(num_views=3, num_random_views=4)
    cameras = view_cameras(both, (0, "a"))
    assert cameras.shape == (7, 4, 4) and cameras.dtype == np.float32
    assert np.array_equal(cameras[:3], view_cameras(alone, (0, "a")))
    assert np.array_equal(cameras, view_cameras(both, (0, "a")))
    assert not np.allclose(cameras[3:], view_cameras(both, (0, "b"))[3:])
    more = view_cameras(ViewConfig(num_views=5, num_random_views=4), (0, "a"))
    assert np.array_equal(more[5:], cameras[3:])  # whatever the fixed set is


def test_the_random_set_is_uniform_on_its_band_of_the_sphere() -> None:
    config = ViewConfig(num_views=1, num_random_views=2000, azimuth_range=(-60, 120), elevation_range=(-30, 90 - 1e-3))
    cameras = view_cameras(config, "many")[1:]
    azimuth, elevation = np.array([azimuth_elevation(camera) for camera in cameras]).T
    assert -60 <= azimuth.min() < -55 and 115 < azimuth.max() <= 120 and azimuth.mean() == pytest.approx(30, abs=5)
    height = cameras[:, 1, 2]  # y of a point on the unit sphere: by Archimedes uniform where the points are
    assert height.min() >= -0.5 and height.max() <= 1 and elevation.min() < -28
    expected = np.linspace(-0.5, 1, 2000)
    assert np.abs(np.sort(height) - expected).max() < 1.5 * 0.04  # Kolmogorov-Smirnov: 0.043 at 0.1 %


def test_lights_are_the_configs_own_until_a_range_is_given() -> None:
    config = ViewConfig(num_views=2, num_random_views=1)
    assert view_lights(config, 0).tolist() == [[config.sky, config.headlight]] * 3
    varied = ViewConfig(num_views=200, num_random_views=200, light_range=(0.5, 1.5))
    factors = view_lights(varied, 0) / [varied.sky, varied.headlight]
    assert factors[0].tolist() == [1, 1]  # the canonical view stays comparable
    assert factors.min() >= 0.5 and factors.max() <= 1.5 and factors.mean() == pytest.approx(1, abs=0.05)
    assert abs(np.corrcoef(factors.T)[0, 1]) < 0.2
    assert np.array_equal(view_lights(varied, 0), view_lights(varied, 0))
    assert not np.array_equal(view_lights(varied, 0), view_lights(varied, 1))


@pytest.mark.parametrize(
    "setting",
    [
        {"num_views": 0},
        {"resolution": 4},
        {"elevation_range": (40, 10)},
        {"fill": 1.5},
        {"supersample": 0},
        {"sky": -1},
        {"num_random_views": -1},
        {"light_range": (1.2, 0.8)},
        {"light_range": (0.5, 9)},
    ],
)
def test_settings_out_of_range_are_named(setting: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(setting))):
        ViewConfig(**setting)
