import numpy as np
import pytest
from shapes import box

from ltm3d.geometry.alignment import ROTATIONS, align
from ltm3d.geometry.mesh import concatenate
from ltm3d.geometry.surface_points import sample_surface


def odd_shape(count: int = 1500, seed: int = 0) -> np.ndarray:
    """Points of a shape that no rotation brings onto itself."""
    mesh = concatenate(
        [box((1.8, 0.6, 0.4)), box((0.3, 1.0, 0.3), center=(0.7, 0.6, 0)), box((0.2, 0.2, 0.9), center=(0, 0, 0.5))]
    )
    return sample_surface(mesh, count, np.random.default_rng(seed)).points


@pytest.mark.parametrize("number", [0, 5, 11, 23])
def test_a_turned_scaled_and_shifted_shape_comes_back(number: int) -> None:
    shape = odd_shape()
    away = (shape @ ROTATIONS[number].T) * 7.5 + (100, -3, 40)
    assert np.abs(align(away, shape, refine=False)(away) - shape).max() < 1e-5


def test_rotations_are_the_24_of_a_cube() -> None:
    assert len(np.unique(ROTATIONS.reshape(24, 9), axis=0)) == 24
    assert np.allclose(np.linalg.det(ROTATIONS), 1)


def test_closest_points_mend_a_tilt_that_no_rotation_of_the_cube_mends() -> None:
    shape, other = odd_shape(3000), odd_shape(3000, seed=1)
    angle = np.radians(12)
    tilt = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    away = (other @ ROTATIONS[9].T @ tilt.T) * 3 + (5, 5, 5)
    coarse, fine = align(away, shape, refine=False)(away), align(away, shape, refine=True)(away)
    assert np.abs(fine - other).mean() < 0.01 < np.abs(coarse - other).mean()
