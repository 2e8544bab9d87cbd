import numpy as np
import pytest
from shapes import box_distance, sphere_distance

from ltm3d.errors import AssetError
from ltm3d.geometry.isosurface import grid_queries, marching_cubes
from ltm3d.geometry.mesh import face_cross, is_watertight


def signed_volume(mesh) -> float:
    return float(np.einsum("fx,fx->", mesh.triangles.mean(axis=1), face_cross(mesh)) / 6)


def test_sphere_comes_out_closed_outward_and_in_place() -> None:
    values = sphere_distance(grid_queries(64), 0.6).reshape(64, 64, 64)
    mesh = marching_cubes(values)
    assert is_watertight(mesh)
    assert signed_volume(mesh) == pytest.approx(4 / 3 * np.pi * 0.6**3, rel=0.01)  # positive: outward
    assert np.abs(sphere_distance(mesh.vertices, 0.6)).max() < 1e-3


def test_axes_are_not_swapped() -> None:
    extents, center = (1.2, 0.8, 0.4), (0.2, -0.1, 0.3)
    mesh = marching_cubes(box_distance(grid_queries(41), extents, center).reshape(41, 41, 41))
    assert mesh.vertices.max(axis=0) == pytest.approx(np.array(center) + np.array(extents) / 2, abs=0.01)
    assert mesh.vertices.min(axis=0) == pytest.approx(np.array(center) - np.array(extents) / 2, abs=0.01)


def test_field_without_crossing_is_an_empty_decode_that_tells_its_range() -> None:
    with pytest.raises(AssetError, match=r"empty_decode.*0\.25"):
        marching_cubes(np.full((8, 8, 8), 0.25, np.float32))
    with pytest.raises(AssetError, match="non_finite"):
        marching_cubes(np.full((8, 8, 8), np.nan, np.float32))
    with pytest.raises(ValueError, match="expected"):
        marching_cubes(np.zeros((8, 8, 4), np.float32))
