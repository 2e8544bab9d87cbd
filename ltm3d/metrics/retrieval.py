"""Whether an embedding finds its own partner."""

import numpy as np
from jaxtyping import Float

_TIE = 1e-6  # of the largest similarity


def recall_at_1(queries: Float[np.ndarray, "N E"], keys: Float[np.ndarray, "N E"]) -> float:
    """Return the share of queries whose most similar key, by dot product, is the one with the same index.

    Where m keys share the first place with the right one, the query counts 1/m: equal captions neither gain nor lose,
    and embeddings that are all alike give chance, 1/N.
    """
    if not len(queries):
        raise ValueError("no queries; give at least one pair")
    similarity = queries.astype(np.float64) @ keys.astype(np.float64).T
    own = np.diagonal(similarity)
    margin = _TIE * np.abs(similarity).max()
    best = similarity.max(axis=1)
    num_first = (similarity >= best[:, None] - margin).sum(axis=1)
    return float(np.where(own >= best - margin, 1 / num_first, 0.0).mean())
