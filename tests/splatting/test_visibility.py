import numpy as np
from shapes import box, sphere

from ltm3d.geometry.mesh import Mesh, concatenate
from ltm3d.geometry.surface_points import sample_surface
from ltm3d.rendering.cameras import ViewConfig, orbit_camera
from ltm3d.rendering.embree import render
from ltm3d.splatting.visibility import look_up

CONFIG = ViewConfig(resolution=64, field_of_view=30.0, sky=1.0, headlight=0.0)


def test_only_what_pictures_show_is_seen() -> None:
    """A ball in a closed box, from in front and from behind: the box's two faces, and nothing of the ball."""
    mesh = concatenate([box((1.0, 1.0, 1.0)), sphere(0.3)])
    cameras = np.stack([orbit_camera(azimuth, 0.0, 4.0) for azimuth in (0.0, 180.0)])
    views = render(mesh, cameras, config=CONFIG)
    samples = sample_surface(mesh, 4000, np.random.default_rng(0))
    sightings = look_up(samples.points, views.images, views.depth, cameras, field_of_view=30.0)
    inner = np.abs(samples.points) < 0.45
    on_front_or_back = ~inner[:, 2] & inner[:, 0] & inner[:, 1]
    assert (sightings.count[on_front_or_back] == 1).mean() > 0.99
    assert not sightings.count[inner.all(axis=1)].any()
    assert not sightings.colors[inner.all(axis=1)].any()


def test_colours_are_those_of_the_pictures() -> None:
    halves = Mesh(
        box((1.0, 1.0, 0.2)).vertices,
        box((1.0, 1.0, 0.2)).faces,
        np.where(box().vertices[:, 2:] > 0, [200, 40, 40], [40, 40, 200]),
    )
    cameras = orbit_camera(0.0, 0.0, 4.0)[None]
    views = render(halves, cameras, config=CONFIG)
    samples = sample_surface(halves, 500, np.random.default_rng(0))
    sightings = look_up(samples.points, views.images, views.depth, cameras, field_of_view=30.0)
    middle = views.images[0, 32, 32, :3].astype(int)
    seen = sightings.count > 0
    assert seen.sum() > 100 and (samples.points[seen, 2] > 0.05).all()
    assert np.abs(np.median(sightings.colors[seen], axis=0) - middle).max() <= 1


def test_points_beside_and_behind_the_camera_are_not_seen() -> None:
    images, depth = np.full((1, 8, 8, 4), 255, np.uint8), np.full((1, 8, 8), 1.0, np.float16)
    points = np.array([[0, 0, -1], [0, 0, 1], [5, 0, -1], [0, 0, 0]], np.float32)
    sightings = look_up(points, images, depth, np.eye(4, dtype=np.float32)[None], field_of_view=60.0)
    assert sightings.count.tolist() == [1, 0, 0, 0]
