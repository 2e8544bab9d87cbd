from dataclasses import replace

import numpy as np
import pytest
from shapes import box, box_distance, sphere, sphere_distance

from ltm3d.errors import ConfigError
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.surface_points import sample_surface
from ltm3d.rendering.cameras import ViewConfig, orbit_camera
from ltm3d.rendering.embree import render
from ltm3d.splatting.fitting import FitConfig, fit, held_out_views
from ltm3d.splatting.initialization import initialize
from ltm3d.splatting.record import Gaussians, to_parameters

VIEWS = ViewConfig(resolution=64, field_of_view=30.0, sky=1.0, headlight=0.0)
CONFIG = FitConfig(num_steps=200, num_held_out=4)
NUM_VIEWS, FIELD_OF_VIEW = 28, 30.0
PIXEL = 2 * 3.8 * np.tan(np.radians(15)) / 64  # at the object, normalised units


def colored(mesh: Mesh) -> Mesh:
    """Colour each corner by where it lies."""
    return Mesh(mesh.vertices, mesh.faces, np.rint(127.5 + 120 * mesh.vertices / np.abs(mesh.vertices).max()))


def pictures_of(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Images [V, 64, 64, 4] and cameras [V, 4, 4] all around."""
    elevations = np.degrees(np.arcsin(np.linspace(-0.9, 0.9, NUM_VIEWS)))
    cameras = np.stack([orbit_camera(137.5 * i, float(e), 3.8) for i, e in enumerate(elevations)])
    return render(mesh, cameras, config=VIEWS).images, cameras


def start(mesh: Mesh, count: int = 1000, seed: int = 0) -> Gaussians:
    samples = sample_surface(mesh, count, np.random.default_rng(seed))
    return initialize(samples.points, samples.normals, samples.colors)


@pytest.mark.parametrize("name", ["sphere", "box"])
def test_a_coloured_solid_is_learnt(name: str) -> None:
    mesh, distance = {"sphere": (sphere(), sphere_distance), "box": (box(), box_distance)}[name]
    mesh = colored(mesh)
    images, cameras = pictures_of(mesh)
    initial = start(mesh)
    unfitted = replace(CONFIG, num_steps=0)
    _, before = fit(initial, images, cameras, field_of_view=FIELD_OF_VIEW, config=unfitted, seed=0)
    fitted, after = fit(initial, images, cameras, field_of_view=FIELD_OF_VIEW, config=CONFIG, seed=0)
    assert after.psnr_held_out > before.psnr_held_out + 10
    assert min(after.psnr_fitted, after.psnr_held_out) > {"sphere": 34, "box": 29}[name]
    off = np.abs(distance(fitted.means[fitted.opacities > 0.5]))
    assert np.median(off) < 1.5 * PIXEL and np.percentile(off, 95) < 3 * PIXEL  # inside, as a splat is a pixel wide


def test_alpha_is_learnt_whatever_the_colour() -> None:
    """A black box over black would need no alpha; over random colours it does."""
    images, cameras = pictures_of(box(color=(0, 0, 0)))
    fitted, report = fit(start(box()), images, cameras, field_of_view=FIELD_OF_VIEW, config=CONFIG, seed=0)
    assert report.psnr_held_out > 27
    assert np.median(fitted.opacities) > 0.8 and np.median(fitted.colors) < 0.25


def test_same_seed_same_bytes_other_seed_another_fit() -> None:
    mesh = colored(box())
    images, cameras = pictures_of(mesh)
    config = replace(CONFIG, num_steps=10)
    first, again, other = (
        to_parameters(
            fit(start(mesh), images, cameras, field_of_view=FIELD_OF_VIEW, config=config, seed=seed)[0]
        ).tobytes()
        for seed in (0, 0, 1)
    )
    assert first == again != other


def test_held_out_views_are_not_looked_at() -> None:
    mesh = colored(box())
    images, cameras = pictures_of(mesh)
    spoiled = images.copy()
    spoiled[held_out_views(NUM_VIEWS, 4)] = 0
    config = replace(CONFIG, num_steps=10)
    fits = [fit(start(mesh), i, cameras, field_of_view=FIELD_OF_VIEW, config=config, seed=0) for i in (images, spoiled)]
    assert to_parameters(fits[0][0]).tobytes() == to_parameters(fits[1][0]).tobytes()
    assert fits[0][1].psnr_fitted == fits[1][1].psnr_fitted
    assert fits[0][1].psnr_held_out > fits[1][1].psnr_held_out + 5


def test_held_out_views_are_spread_evenly() -> None:
    assert np.flatnonzero(held_out_views(36, 4)).tolist() == [4, 13, 22, 31]
    assert np.flatnonzero(held_out_views(5, 2)).tolist() == [1, 3]
    assert not held_out_views(5, 0).any()


def test_without_held_out_views_their_psnr_is_no_number() -> None:
    images, cameras = pictures_of(box())
    config = FitConfig(num_steps=1, num_held_out=0)
    _, report = fit(start(box(), 50), images, cameras, field_of_view=FIELD_OF_VIEW, config=config, seed=0)
    assert np.isnan(report.psnr_held_out) and report.num_steps == 1


def test_bad_settings_and_pictures_are_named() -> None:
    with pytest.raises(ConfigError, match=r"num_steps -1 is out of range; use 0 to"):
        FitConfig(num_steps=-1)
    with pytest.raises(ConfigError, match=r"means_rate 2.0 is out of range; use 0 to 1"):
        FitConfig(means_rate=2.0)
    with pytest.raises(ConfigError, match="final_rate 0"):
        FitConfig(final_rate=0)
    initial, cameras = start(box(), 10), np.tile(np.eye(4), (4, 1, 1))
    images = np.zeros((4, 8, 8, 4), np.uint8)
    with pytest.raises(ConfigError, match="num_held_out 4 leaves none of 4 views; use fewer"):
        fit(initial, images, cameras, field_of_view=30.0, config=CONFIG, seed=0)
    with pytest.raises(ValueError, match=r"\(4, 8, 8, 3\); expected uint8 \[V, H, W, 4\]"):
        fit(initial, images[..., :3], cameras, field_of_view=30.0, config=CONFIG, seed=0)
    with pytest.raises(ValueError, match=r"\(3, 4, 4\); expected \(4, 4, 4\)"):
        fit(initial, images, cameras[:3], field_of_view=30.0, config=CONFIG, seed=0)
