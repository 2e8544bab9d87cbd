from itertools import permutations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from shapes import sphere, torus, uniform_points

from ltm3d.geometry.surface_points import sample_surface
from ltm3d.metrics.earth_mover import earth_mover


def test_the_assignment_is_the_best_of_all_permutations() -> None:
    for seed in range(20):
        a, b = uniform_points(6, seed), uniform_points(6, 100 + seed)
        every = min(np.linalg.norm(a - b[list(order)], axis=1).mean() for order in permutations(range(6)))
        assert earth_mover(a, b) == pytest.approx(every, abs=1e-6)


def test_a_permuted_set_is_the_same_set() -> None:
    points = uniform_points(500)
    assert earth_mover(points, points[np.random.default_rng(1).permutation(500)]) == pytest.approx(0, abs=1e-7)
    assert earth_mover(points[:1], points[:1]) == 0


@pytest.mark.parametrize("shift", [(0.3, 0, 0), (0.1, -0.2, 0.2), (40, 0, 30)])
def test_a_moved_set_is_as_far_as_it_moved(shift: tuple[float, float, float]) -> None:
    """No assignment has a mean distance below the distance of the means."""
    points = uniform_points(400)
    assert earth_mover(points, points + np.array(shift, np.float32)) == pytest.approx(np.linalg.norm(shift), rel=1e-5)


def test_points_on_a_line_are_matched_in_order() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=300).astype(np.float32), rng.normal(0.5, 2, 300).astype(np.float32)
    on_line = [np.stack([x, 0 * x, 0 * x], axis=1) for x in (a, b)]
    assert earth_mover(*on_line) == pytest.approx(np.abs(np.sort(a) - np.sort(b)).mean(), rel=1e-5)


def test_concentric_spheres_are_as_far_as_their_radii() -> None:
    """Points of one direction: |r a - s b| is at least |r - s|, and the matched ones have just that."""
    points = sample_surface(sphere(0.8), 600, np.random.default_rng(0)).points
    assert earth_mover(points, points * np.float32(0.5)[None]) >= 0.4 * 0.99
    directions = points / np.linalg.norm(points, axis=1, keepdims=True)
    assert earth_mover(0.8 * directions, 0.5 * directions) == pytest.approx(0.3, abs=1e-6)


def test_the_metric_is_that_of_the_exact_solver_alone() -> None:
    a = sample_surface(sphere(0.8), 700, np.random.default_rng(0)).points
    b = sample_surface(torus(), 700, np.random.default_rng(1)).points
    distances = cdist(a.astype(np.float64), b.astype(np.float64))
    assert earth_mover(a, b) == pytest.approx(distances[linear_sum_assignment(distances)].mean(), rel=1e-12)
    assert earth_mover(b, a) == pytest.approx(earth_mover(a, b), rel=1e-9)


def test_points_that_coincide_do_not_keep_it() -> None:
    """Every point has the same distance to every other: the auction has nothing to tell rows apart by."""
    one, other = np.zeros((300, 3), np.float32), np.tile(np.array([[0, 3, 4]], np.float32), (300, 1))
    assert earth_mover(one, one) == 0
    assert earth_mover(one, other) == pytest.approx(5)
    half = np.concatenate([one[:150], other[:150]])
    assert earth_mover(one, half) == pytest.approx(2.5)


@pytest.mark.parametrize(("num_a", "num_b"), [(0, 0), (3, 4)])
def test_sets_of_unequal_size_have_no_bijection(num_a: int, num_b: int) -> None:
    with pytest.raises(ValueError, match="one size"):
        earth_mover(uniform_points(num_a), uniform_points(num_b))
