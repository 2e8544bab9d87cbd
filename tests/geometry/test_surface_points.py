import numpy as np
import pytest
from shapes import box, box_distance, sphere

from ltm3d.errors import AssetError
from ltm3d.geometry.mesh import Mesh, concatenate
from ltm3d.geometry.surface_points import farthest_points, sample_surface


def test_points_lie_on_the_surface_with_its_normals() -> None:
    samples = sample_surface(box((1.0, 0.5, 0.25)), 5000, np.random.default_rng(0))
    assert np.abs(box_distance(samples.points, (1.0, 0.5, 0.25))).max() < 1e-6
    assert np.allclose(np.linalg.norm(samples.normals, axis=1), 1, atol=1e-6)
    stepped = samples.points + 0.01 * samples.normals
    assert np.abs(box_distance(stepped, (1.0, 0.5, 0.25)) - 0.01).max() < 1e-3


def test_area_is_shared_out_evenly_whatever_the_triangles() -> None:
    big, small = box((1.0, 1.0, 1.0)), sphere(0.5, subdivisions=4)  # areas 6 and pi
    samples = sample_surface(concatenate([big, small]), 10_000, np.random.default_rng(0))
    on_box = (samples.face_index < len(big.faces)).mean()
    assert on_box == pytest.approx(6 / (6 + np.pi), abs=0.002)  # strata: far tighter than 1 / sqrt(10,000)
    top = samples.points[: int(on_box * 10_000)]
    assert (top[:, 0] > 0).mean() == pytest.approx(0.5, abs=0.02)


def test_same_generator_same_points() -> None:
    first, second = (sample_surface(sphere(), 100, np.random.default_rng(7)).points for _ in range(2))
    assert np.array_equal(first, second)


def test_colours_are_interpolated() -> None:
    colors = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    triangle = Mesh(np.eye(3), np.array([[0, 1, 2]]), colors)
    samples = sample_surface(triangle, 1000, np.random.default_rng(0))
    assert np.abs(samples.colors / 255 - samples.points).max() < 0.01  # barycentric = position here


def test_degenerate_faces_get_no_points_and_no_area_is_an_error() -> None:
    flat = Mesh(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [2, 0, 0]]), np.array([[0, 1, 3], [0, 1, 2], [0, 1, 3]]))
    assert set(sample_surface(flat, 500, np.random.default_rng(0)).face_index) == {1}
    with pytest.raises(AssetError, match="no_surface"):
        sample_surface(Mesh(flat.vertices, flat.faces[:1]), 10, np.random.default_rng(0))


def test_farthest_points_spread() -> None:
    line = np.stack([np.arange(9.0), np.zeros(9), np.zeros(9)], axis=1)
    assert farthest_points(line, 3).tolist() == [0, 8, 4]
    assert farthest_points(line, 2, start=8).tolist() == [8, 0]
    assert sorted(farthest_points(line, 9)) == list(range(9))
    with pytest.raises(ValueError, match="out of range"):
        farthest_points(line, 10)
