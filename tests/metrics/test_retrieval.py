import numpy as np
import pytest

from ltm3d.metrics.retrieval import recall_at_1


def test_own_key_first_or_not() -> None:
    eye = np.eye(4, dtype=np.float32)
    assert recall_at_1(eye, eye) == 1.0
    assert recall_at_1(eye, np.roll(eye, 1, axis=0)) == 0.0
    swapped = eye[[1, 0, 2, 3]]
    assert recall_at_1(eye, swapped) == 0.5


def test_ties_share_the_point_and_constant_embeddings_give_chance() -> None:
    eye = np.eye(4, dtype=np.float32)
    pairs = eye[[0, 0, 2, 2]]  # two captions twice
    assert recall_at_1(pairs, pairs) == 0.5
    assert recall_at_1(np.ones((10, 3), np.float32), np.ones((10, 3), np.float32)) == pytest.approx(0.1)
    almost = pairs + 1e-9 * np.random.default_rng(0).standard_normal((4, 4))
    assert recall_at_1(almost, pairs) == 0.5


def test_random_embeddings_give_chance() -> None:
    rng = np.random.default_rng(0)
    assert recall_at_1(rng.standard_normal((500, 16)), rng.standard_normal((500, 16))) < 0.02


def test_no_pairs_have_no_recall() -> None:
    with pytest.raises(ValueError, match="at least one"):
        recall_at_1(np.ones((0, 2)), np.ones((0, 2)))
