import numpy as np
import pytest

from ltm3d.metrics.embedding_similarity import mean_cosine


def test_the_cosine_is_that_of_the_angle_whatever_the_length() -> None:
    angles = np.radians([0, 60, 90, 180])
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.array([[1], [2], [3], [4]])
    assert mean_cosine(embeddings, np.array([[5.0, 0.0]])) == pytest.approx((1 + 0.5 + 0 - 1) / 4)
    assert mean_cosine(embeddings, embeddings) == pytest.approx(1)
    assert mean_cosine(embeddings, -embeddings) == pytest.approx(-1)


@pytest.mark.parametrize("shapes", [((0, 2), (1, 2)), ((3, 2), (2, 2))])
def test_pairs_must_be_pairs(shapes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="give as many of both"):
        mean_cosine(*(np.ones(shape) for shape in shapes))


def test_an_embedding_without_a_direction_is_refused() -> None:
    with pytest.raises(ValueError, match="no direction"):
        mean_cosine(np.zeros((1, 3)), np.ones((1, 3)))
