"""KID against a sum written out term by term, and what it is in the mean."""

import numpy as np
import pytest

from ltm3d.metrics.kernel_distance import kernel_distance


def test_it_is_the_sum_written_out() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 3)), rng.normal(size=(4, 3)) + 0.5

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return float((sum(x * y) / 3 + 1) ** 3)

    first = sum(k(a[i], a[j]) for i in range(5) for j in range(5) if i != j) / 20
    second = sum(k(b[i], b[j]) for i in range(4) for j in range(4) if i != j) / 12
    between = sum(k(x, y) for x in a for y in b) / 20
    assert kernel_distance(a, b) == pytest.approx(first + second - 2 * between)


def test_sets_of_constants_have_a_closed_form() -> None:
    """(1 + 1)³ + (4 + 1)³ − 2 (2 + 1)³ for vectors of ones and of twos."""
    assert kernel_distance(np.ones((6, 7)), np.full((3, 7), 2.0)) == pytest.approx(8 + 125 - 2 * 27)


def test_it_is_unbiased_where_both_are_of_one_distribution() -> None:
    rng = np.random.default_rng(0)
    values = [kernel_distance(rng.normal(size=(10, 4)), rng.normal(size=(10, 4))) for _ in range(400)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 20


def test_one_vector_is_no_set() -> None:
    with pytest.raises(ValueError, match="sets of 1 and 3 vectors"):
        kernel_distance(np.ones((1, 2)), np.ones((3, 2)))
