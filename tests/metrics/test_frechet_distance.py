"""FID against scipy's root of the product of the covariances, and closed forms."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from ltm3d.metrics.frechet_distance import frechet_distance


def test_it_is_that_of_scipys_matrix_root() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(200, 5)) @ rng.normal(size=(5, 5))
    b = rng.normal(size=(150, 5)) @ rng.normal(size=(5, 5)) + 1
    covariances = [np.cov(each, rowvar=False) for each in (a, b)]
    root = sqrtm(covariances[0] @ covariances[1]).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-8)


def test_a_set_that_is_moved_and_scaled_has_a_closed_form() -> None:
    """Scaled by 3 about its mean and moved by d: |d|² + (3 − 1)² tr A."""
    a = np.random.default_rng(0).normal(size=(30, 40))  # fewer vectors than channels
    mean, move = a.mean(axis=0), np.arange(40) / 10
    expected = (move**2).sum() + 4 * ((a - mean) ** 2).sum() / 29
    assert frechet_distance(a, mean + 3 * (a - mean) + move) == pytest.approx(expected)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-8)


def test_one_vector_is_no_set() -> None:
    with pytest.raises(ValueError, match="sets of 3 and 1 vectors"):
        frechet_distance(np.ones((3, 2)), np.ones((1, 2)))
