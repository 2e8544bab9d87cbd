import numpy as np
import pytest

from ltm3d.geometry.extraction import extract_mesh, refine_field
from ltm3d.geometry.isosurface import grid_queries

TRUNCATION = 0.1


def two_spheres_and_a_sheet(queries: np.ndarray) -> np.ndarray:
    """Disjoint parts, and a thin plate."""
    big = np.linalg.norm(queries - [-0.4, 0, 0], axis=1) - 0.35
    small = np.linalg.norm(queries - [0.6, 0.3, 0.2], axis=1) - 0.08
    corner = np.abs(queries - [0.3, -0.6, 0]) - [0.4, 0.02, 0.4]
    plate = np.linalg.norm(np.maximum(corner, 0), axis=1) + np.minimum(corner.max(axis=1), 0)
    return np.clip(np.minimum(np.minimum(big, small), plate), -TRUNCATION, TRUNCATION).astype(np.float32)


@pytest.mark.parametrize("resolution", [64, 128])
def test_refinement_equals_the_dense_field_near_the_surface(resolution: int) -> None:
    dense = two_spheres_and_a_sheet(grid_queries(resolution + 1)).reshape((resolution + 1,) * 3)
    asked = 0

    def field(queries: np.ndarray) -> np.ndarray:
        nonlocal asked
        asked += len(queries)
        return two_spheres_and_a_sheet(queries)

    refined = refine_field(field, resolution=resolution)
    assert np.array_equal(refined < 0, dense < 0)
    near = np.abs(dense) < 2 / resolution
    assert np.allclose(refined[near], dense[near], atol=1e-6)
    assert asked < 0.6 * dense.size


def test_the_mesh_is_the_surface() -> None:
    mesh = extract_mesh(two_spheres_and_a_sheet, resolution=128)
    assert np.abs(two_spheres_and_a_sheet(mesh.vertices)).max() < 0.01
