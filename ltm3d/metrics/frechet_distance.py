"""How far two sets of feature vectors lie apart as normal distributions (FID: Heusel et al. 2017, equation 6)."""

import numpy as np
from jaxtyping import Float


def frechet_distance(features: Float[np.ndarray, "N C"], others: Float[np.ndarray, "M C"]) -> float:
    """Return |μ − ν|² + tr(A + B − 2 (A B)^½) of the means μ, ν and covariances A, B of two sets.

    The trace of (A B)^½ is the sum of the singular values of A^½ B^½. With fewer vectors than channels the
    covariances are singular, and the distance depends much on their number.

    Raises:
        ValueError: fewer than two vectors in a set, which have no covariance.
    """
    if min(len(features), len(others)) < 2:
        raise ValueError(f"sets of {len(features)} and {len(others)} vectors; each needs at least two")
    a, b = features.astype(np.float64), others.astype(np.float64)
    between = a.mean(axis=0) - b.mean(axis=0)
    # X^T X / (n - 1) = A with X centred, so the singular values of A^1/2 B^1/2 are those of X Y^T but for the counts.
    x, y = ((each - each.mean(axis=0)) / np.sqrt(len(each) - 1) for each in (a, b))
    overlap = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    return float(between @ between + (x**2).sum() + (y**2).sum() - 2 * overlap)
