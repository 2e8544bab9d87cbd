"""Gaussians to start a fit from: one flat disc for each coloured point of a surface.

Letters: G points, one Gaussian each.
"""

import math

import numpy as np
from scipy.spatial import cKDTree

from ltm3d.splatting.record import Gaussians

_NUM_NEIGHBOURS = 3
_MIN_SPACING, _MAX_SPACING = 1e-3, 0.3  # normalised units: two points in one place, points alone


def initialize(
    points: np.ndarray,
    normals: np.ndarray,
    colors: np.ndarray,
    *,
    scale: float = 0.7,
    flatness: float = 0.03,
    opacity: float = 0.9,
) -> Gaussians:
    """Lay discs on a surface.

    Args:
        points: on the surface [G, 3].
        normals: unit [G, 3], of either sign.
        colors: sRGB, uint8 [G, 3].
        scale: standard deviation along the surface, in units of the distance to the nearest points.
        flatness: standard deviation along the normal, in units of that along the surface.
    """
    along = np.log(scale * spacing(points))
    log_scales = np.stack([along, along, along + math.log(flatness)], axis=1)
    return Gaussians(
        means=points,
        log_scales=log_scales,
        quats=rotation_to(normals),
        opacity_logits=np.full(len(points), math.log(opacity / (1 - opacity))),
        colors=colors.astype(np.float32) / 255,
    )


def spacing(points: np.ndarray) -> np.ndarray:
    """Return each point's mean distance to its three nearest, [G], cut at sensible ends."""
    num_neighbours = min(_NUM_NEIGHBOURS, len(points) - 1)
    if num_neighbours < 1:
        return np.full(len(points), _MAX_SPACING)
    distance, _ = cKDTree(points).query(points, k=num_neighbours + 1)
    return np.clip(distance[:, 1:].mean(axis=1), _MIN_SPACING, _MAX_SPACING)


def rotation_to(normals: np.ndarray) -> np.ndarray:
    """Return quaternions [G, 4], wxyz, of the shortest rotations that take the z axis to unit normals [G, 3].

    q = (1 + n_z, −n_y, n_x, 0), to be normalised. A disc has no sides: where n_z < 0, -n is meant.
    """
    n = np.where(normals[:, 2:] < 0, -normals, normals).astype(np.float64)
    quats = np.stack([1 + n[:, 2], -n[:, 1], n[:, 0], np.zeros(len(n))], axis=1)
    return (quats / np.linalg.norm(quats, axis=1, keepdims=True)).astype(np.float32)
