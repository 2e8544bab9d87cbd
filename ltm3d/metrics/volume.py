"""Overlap of volumes."""

import numpy as np
from jaxtyping import Bool


def iou(inside_a: Bool[np.ndarray, " Q"], inside_b: Bool[np.ndarray, " Q"], *, beyond: float = 0.0) -> float:
    """Return the share of points inside both among those inside either; two empty volumes have 1.

    Args:
        beyond: what one of the volumes has outside the region the points fill, in points of the same density.
    """
    union = np.logical_or(inside_a, inside_b).sum() + beyond
    return float(np.logical_and(inside_a, inside_b).sum() / union) if union else 1.0
