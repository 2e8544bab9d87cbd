import numpy as np
import pytest
from shapes import box, box_distance, sphere, uniform_points

from ltm3d.geometry.mesh import face_areas
from ltm3d.geometry.raycasting import RayScene, morton_order, split_slivers
from ltm3d.geometry.sampling import sample_surface


def test_rays_hit_the_first_wall_or_nothing() -> None:
    mesh = box()
    directions = np.array([[0, 0, -1], [0, 0, 1], [0.1, 0, -1]], np.float32)
    hits = RayScene(mesh).cast(np.array([0.1, 0.2, 2.0], np.float32), directions)
    assert hits.distance[[0, 2]] == pytest.approx([1.5, 1.5])  # in units of the direction's length
    assert np.isinf(hits.distance[1]) and hits.face[1] == -1
    corners = mesh.triangles[hits.face[0]]
    u, v = hits.uv[0]
    assert (1 - u - v) * corners[0] + u * corners[1] + v * corners[2] == pytest.approx([0.1, 0.2, 0.5], abs=1e-6)


def test_closest_points_keep_the_order_of_the_questions() -> None:
    points = uniform_points(500)
    closest, face = RayScene(box()).closest_points(points)
    assert np.linalg.norm(points - closest, axis=1) == pytest.approx(np.abs(box_distance(points)), abs=1e-6)
    assert np.abs(box_distance(closest)).max() < 1e-6
    assert face.min() >= 0 and face.max() < 12


def test_morton_order_is_a_permutation_that_keeps_neighbours_together() -> None:
    points = uniform_points(4096)
    order = morton_order(points)
    assert np.array_equal(np.sort(order), np.arange(4096))
    step = np.linalg.norm(np.diff(points[order], axis=0), axis=1).mean()
    assert step < 0.2 * np.linalg.norm(np.diff(points, axis=0), axis=1).mean()
    assert len(morton_order(points[:0])) == 0


def test_slivers_are_split_without_changing_the_surface() -> None:
    bar = box((1.8, 0.01, 0.01))
    split = split_slivers(bar)
    assert len(split.faces) > len(bar.faces)
    assert face_areas(split).sum() == pytest.approx(face_areas(bar).sum(), rel=1e-5)
    assert np.abs(box_distance(split.vertices, (1.8, 0.01, 0.01))).max() < 1e-6
    compact = sphere(subdivisions=2)
    assert len(split_slivers(compact).faces) == len(compact.faces)


def test_distances_to_slivers_are_right_only_once_they_are_split() -> None:
    bar = box((1.8, 0.01, 0.01))
    rng = np.random.default_rng(0)
    points = sample_surface(bar, 20_000, rng).points + rng.normal(0, 0.004, (20_000, 3)).astype(np.float32)
    truth = np.abs(box_distance(points, (1.8, 0.01, 0.01)))
    errors = [
        np.abs(np.linalg.norm(points - RayScene(mesh).closest_points(points)[0], axis=1) - truth).max()
        for mesh in (bar, split_slivers(bar))
    ]
    assert errors[1] < 2e-5
    assert errors[0] > 10 * errors[1]  # why split_slivers is there: when this fails, it may go
