"""How alike embeddings are.

Letters: V pictures, E embedding channels.
"""

import numpy as np
from jaxtyping import Float


def mean_cosine(embeddings: Float[np.ndarray, "V E"], others: Float[np.ndarray, "W E"]) -> float:
    """Return the mean cosine between embeddings and others, pair by pair; one alone is the partner of all.

    Raises:
        ValueError: neither as many of both nor one of the others, or one has no direction.
    """
    if not len(embeddings) or len(others) not in (1, len(embeddings)):
        raise ValueError(f"{len(embeddings)} embeddings and {len(others)} others; give as many of both, or one other")
    a, b = (values.astype(np.float64) for values in (embeddings, others))
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    if not (lengths > 0).all():
        raise ValueError("an embedding is zero and has no direction; look at what made it")
    return float(((a * b).sum(axis=1) / lengths).mean())
