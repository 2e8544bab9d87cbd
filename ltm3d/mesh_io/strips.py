"""Triangle strips and fans → triangles."""

import numpy as np


def strip_triangles(indices: np.ndarray, *, restart: int | None = None) -> np.ndarray:
    """Return the triangles [T, 3] of a strip [N]: every other one turned, so that all wind alike.

    Args:
        restart: an index that ends a strip and begins the next.
    """
    if restart is not None:
        cuts = np.flatnonzero(indices == restart)
        pieces = np.split(indices, cuts)
        strips = [piece[piece != restart] for piece in pieces]
        return np.concatenate([np.zeros((0, 3), np.int64), *(strip_triangles(strip) for strip in strips)])
    count = max(len(indices) - 2, 0)
    first = np.arange(count)
    odd = first % 2
    return np.stack([indices[first], indices[first + 1 + odd], indices[first + 2 - odd]], axis=1).astype(np.int64)


def fan_triangles(indices: np.ndarray) -> np.ndarray:
    """Return the triangles [T, 3] of a fan [N]: by glTF 2.0, 3.7.2.1, p_i = {v_i+1, v_i+2, v_0}."""
    first = np.arange(max(len(indices) - 2, 0))
    return np.stack([indices[first + 1], indices[first + 2], indices[np.zeros_like(first)]], axis=1).astype(np.int64)
