"""A ball as faces, as points and as Gaussians covers the same disc."""

import math

import numpy as np
import pytest
from shapes import sphere

from ltm3d.evaluation.shape_pictures import cloud_splats, shape_pictures
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.point_cloud import PointCloud
from ltm3d.rendering.cameras import ViewConfig, orbit_distance
from ltm3d.tokenizers.shape import Shape

RADIUS, SIZE = 0.8, 128


def ball(kind: str) -> Shape:
    if kind == "mesh":
        return sphere(RADIUS, subdivisions=4)
    normals = np.random.default_rng(0).normal(size=(4096, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    colors = np.tile(np.uint8([200, 10, 10]), (len(normals), 1))
    cloud = PointCloud((RADIUS * normals).astype(np.float32), None, colors)
    return cloud if kind == "cloud" else cloud_splats(cloud)


@pytest.mark.parametrize("kind", ["mesh", "cloud", "gaussians"])
def test_a_ball_covers_its_disc(kind: str) -> None:
    pictures = shape_pictures(ball(kind), num_views=2, resolution=SIZE)
    assert pictures.shape == (2, SIZE, SIZE, 4)
    distance = orbit_distance(ViewConfig(field_of_view=30.0))
    tangent = math.tan(math.asin(RADIUS / distance)) / math.tan(math.radians(15))
    share = math.pi * tangent**2 / 4
    assert (pictures[..., 3] > 127).mean() == pytest.approx(share, rel=0.02 if kind == "mesh" else 0.15)
    middle = pictures[:, SIZE // 2, SIZE // 2].astype(int)
    assert (middle[:, 3] > 250).all()
    if kind != "mesh":
        assert (abs(middle[:, :3] - [200, 10, 10]) <= 2).all()


def test_what_has_no_surface_is_an_empty_picture() -> None:
    assert not shape_pictures(None, num_views=3, resolution=SIZE).any()


def test_the_first_picture_is_the_canonical_view() -> None:
    """From above: what lies in front is lower in the picture from ahead than in the one from behind."""
    ahead = Mesh(np.array([[-0.1, 0, 0.9], [0.1, 0, 0.9], [0, 0.2, 0.9]], np.float32), np.array([[0, 1, 2]]))
    first, second = shape_pictures(ahead, num_views=2, resolution=SIZE)
    assert np.argwhere(first[..., 3])[:, 0].mean() > np.argwhere(second[..., 3])[:, 0].mean()
