import numpy as np
import pytest
from shapes import box, sphere, sphere_distance, torus, uniform_points

from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.signed_distance import SignedDistance
from ltm3d.metrics.volume import iou


def test_iou_of_nested_spheres_is_the_ratio_of_their_volumes() -> None:
    points = uniform_points(200_000)
    metric = iou(sphere_distance(points, 0.5) < 0, sphere_distance(points, 0.8) < 0)
    assert metric == pytest.approx((0.5 / 0.8) ** 3, abs=0.01)


def test_limits() -> None:
    full, empty = np.ones(4, bool), np.zeros(4, bool)
    assert iou(full, full) == 1.0 and iou(full, empty) == 0.0 and iou(empty, empty) == 1.0


def test_translated_cubes_have_their_closed_form() -> None:
    """Unit cubes moved by d along x: (1 - d) / (1 + d)."""
    points = uniform_points(200_000)
    at = [np.abs(points - np.array([shift, 0, 0], np.float32)).max(axis=1) < 0.5 for shift in (-0.1, 0.1)]
    assert iou(*at) == pytest.approx(0.8 / 1.2, abs=0.01)


@pytest.mark.parametrize("other", [sphere(0.6), torus(), box((1.2, 0.5, 1.6), (0.1, 0.1, 0.0))])
def test_metric_is_that_of_exact_mesh_booleans(other: Mesh) -> None:
    """manifold3d cuts the meshes themselves; 200,000 points have a deviation of 0.003."""
    import manifold3d

    meshes = [box((1.0, 1.2, 0.8)), other]
    solids = [manifold3d.Manifold(manifold3d.Mesh(mesh.vertices, mesh.faces.astype(np.uint32))) for mesh in meshes]
    expected = (solids[0] ^ solids[1]).volume() / (solids[0] + solids[1]).volume()
    points = uniform_points(200_000)
    assert iou(*(SignedDistance(mesh)(points) < 0 for mesh in meshes)) == pytest.approx(expected, abs=0.01)


def test_what_lies_beyond_the_points_counts_in_the_union() -> None:
    both, one = np.array([True, True, False, False]), np.array([True, False, False, False])
    assert iou(both, one) == 0.5 and iou(both, one, beyond=2.0) == 0.25
    assert iou(np.zeros(4, bool), np.zeros(4, bool), beyond=3.0) == 0
