"""Overlap of volumes."""

import numpy as np
from jaxtyping import Bool


def iou(inside_a: Bool[np.ndarray, " Q"], inside_b: Bool[np.ndarray, " Q"]) -> float:
    """Return the share of points inside both among those inside either; two empty volumes have 1."""
    union = np.logical_or(inside_a, inside_b).sum()
    return float(np.logical_and(inside_a, inside_b).sum() / union) if union else 1.0
