"""How far two sets of feature vectors lie apart (KID: Bińkowski et al. 2018, "Demystifying MMD GANs", section 4).

N, M pictures, C channels.
"""

import numpy as np
from jaxtyping import Float


def kernel_distance(features: Float[np.ndarray, "N C"], others: Float[np.ndarray, "M C"]) -> float:
    """Return the unbiased squared MMD under k(x, y) = (x·y / C + 1)³: 0 in the mean for sets of one distribution.

    Raises:
        ValueError: fewer than two vectors in a set, for which nothing unbiased is known.
    """
    n, m = len(features), len(others)
    if min(n, m) < 2:
        raise ValueError(f"sets of {n} and {m} vectors; each needs at least two")
    a, b = features.astype(np.float64), others.astype(np.float64)
    within_a, within_b, between = _kernel(a, a), _kernel(b, b), _kernel(a, b)
    first = (within_a.sum() - np.trace(within_a)) / (n * (n - 1))
    second = (within_b.sum() - np.trace(within_b)) / (m * (m - 1))
    return float(first + second - 2 * between.mean())


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray((a @ b.T / a.shape[1] + 1) ** 3)
