"""Bring one shape over another: by the 24 rotations of a cube, and by iterated closest points."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from ltm3d.geometry.normalize import AXES, frame_rotation

ROTATIONS = np.stack([frame_rotation(up, front) for up in AXES for front in AXES if up[1] != front[1]])  # [24, 3, 3]
_NUM_ITERATIONS = 50
_CLOSE = 1e-7  # change of the mean distance, in half sides, below which the iteration ends


@dataclass(frozen=True, eq=False)
class Alignment:
    """p → p · matrixᵀ + shift.

    Attributes:
        matrix: rotation times scale [3, 3].
        shift: [3].
    """

    matrix: np.ndarray
    shift: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Move points [N, 3]."""
        return points.astype(np.float64) @ self.matrix.T + self.shift


def align(points: np.ndarray, reference: np.ndarray, *, refine: bool) -> Alignment:
    """Find what brings points [N, 3] over a reference [M, 3].

    Each of the 24 rotations of a cube is followed by the scale and shift that bring one bounding box into the other:
    equal longest sides, equal centres. The one of the smallest Chamfer distance is taken.

    Args:
        refine: then iterate closest points with a rotation, a shift and one scale (Besl and McKay 1992; Umeyama 1991).
    """
    tree = cKDTree(reference)
    best, smallest = None, np.inf
    for rotation in ROTATIONS:
        turned = points.astype(np.float64) @ rotation.T
        scale = np.ptp(reference, axis=0).max() / max(float(np.ptp(turned, axis=0).max()), 1e-30)
        shift = _centre(reference) - scale * _centre(turned)
        moved = scale * turned + shift
        chamfer = tree.query(moved)[0].mean() + cKDTree(moved).query(reference)[0].mean()
        if chamfer < smallest:
            best, smallest = Alignment(scale * rotation, shift), chamfer
    assert best is not None
    return _iterate(points, reference, best, tree) if refine else best


def _centre(points: np.ndarray) -> np.ndarray:
    return np.asarray((points.min(axis=0) + points.max(axis=0)) / 2)


def _iterate(points: np.ndarray, reference: np.ndarray, start: Alignment, tree: cKDTree) -> Alignment:
    half_side, best, smallest = float(np.ptp(reference, axis=0).max()) / 2, start, np.inf
    current = start
    for _ in range(_NUM_ITERATIONS):
        moved = current(points)
        forward, nearest = tree.query(moved)
        backward, owner = cKDTree(moved).query(reference)
        distance = (forward.mean() + backward.mean()) / half_side
        if distance > smallest - _CLOSE:
            break
        best, smallest = current, distance
        pairs = (
            np.concatenate([points, points[owner]]).astype(np.float64),
            np.concatenate([reference[nearest], reference]),
        )
        current = _umeyama(*pairs)
    return best


def _umeyama(source: np.ndarray, target: np.ndarray) -> Alignment:
    """Return the similarity of least squares between pairs [N, 3]: Umeyama 1991, equations 40 to 42."""
    low, high = source.mean(axis=0), target.mean(axis=0)
    a, b = source - low, target - high
    u, d, v = np.linalg.svd(b.T @ a / len(source))
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(v))])
    rotation = u * sign @ v
    scale = float((d * sign).sum() / max((a**2).sum() / len(source), 1e-30))
    return Alignment(scale * rotation, high - scale * rotation @ low)
