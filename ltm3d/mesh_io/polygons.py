"""Polygons → triangles."""

import numpy as np


def triangulate(vertices: np.ndarray, corners: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut polygons into triangles, concave ones by ear clipping (mapbox earcut) in the plane of their area vector.

    Args:
        vertices: float64 [N, 3].
        corners: vertex of each corner, polygon after polygon [C].
        counts: corners of each polygon [P]; those of fewer than 3 have no triangle.

    Returns:
        Positions in `corners` [T, 3], and the polygon of each triangle [T]; polygons keep their order.
    """
    starts = np.cumsum(counts) - counts
    triangles, owners = [], []
    three = np.flatnonzero(counts == 3)
    triangles.append(starts[three, None] + np.arange(3))
    owners.append(three)
    four = np.flatnonzero(counts == 4)
    triangles.append(
        (starts[four, None, None] + _halves(vertices[corners[starts[four, None] + np.arange(4)]])).reshape(-1, 3)
    )
    owners.append(np.repeat(four, 2))
    for polygon in np.flatnonzero(counts > 4):
        start, count = int(starts[polygon]), int(counts[polygon])
        cut = start + _clip_ears(vertices[corners[start : start + count]])
        triangles.append(cut)
        owners.append(np.full(len(cut), polygon))
    owner = np.concatenate(owners)
    order = np.argsort(owner, kind="stable")
    return np.concatenate(triangles)[order], owner[order]


def _halves(quads: np.ndarray) -> np.ndarray:
    """Return the triangles [Q, 2, 3] of quads [Q, 4, 3]: cut from corner 0 where both then look the same way."""
    with np.errstate(invalid="ignore", over="ignore"):
        first = np.cross(quads[:, 1] - quads[:, 0], quads[:, 2] - quads[:, 0])
        second = np.cross(quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 0])
        is_concave = np.einsum("qx,qx->q", first, second) < 0
    plain, turned = np.array([[0, 1, 2], [0, 2, 3]]), np.array([[1, 2, 3], [1, 3, 0]])
    return np.where(is_concave[:, None, None], turned, plain)


def _clip_ears(polygon: np.ndarray) -> np.ndarray:
    """Return the triangles [T, 3] of a polygon [C, 3]; a fan where it has no area."""
    import mapbox_earcut

    fan = np.stack([np.zeros(len(polygon) - 2, np.int64), *(np.arange(len(polygon) - 2) + k for k in (1, 2))], axis=1)
    if not np.isfinite(polygon).all():
        return fan
    moved = polygon - polygon.mean(axis=0)
    size = np.abs(moved).max()
    if size == 0:
        return fan
    moved /= size
    normal = np.cross(moved, np.roll(moved, -1, axis=0)).sum(axis=0)  # Newell
    length = np.linalg.norm(normal)
    if length < 1e-12:
        return fan
    axis = np.eye(3)[np.abs(normal).argmin()]
    right = np.cross(axis, normal / length)
    right /= np.linalg.norm(right)
    flat = np.stack([moved @ right, moved @ np.cross(normal / length, right)], axis=1)
    cut = mapbox_earcut.triangulate_float64(np.ascontiguousarray(flat), np.array([len(flat)], np.uint32))
    cut = np.asarray(cut, np.int64).reshape(-1, 3)
    if not len(cut):
        return fan
    a, b, c = (flat[cut[:, corner]] for corner in range(3))
    turn = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    return np.where(turn[:, None] < 0, cut[:, ::-1], cut)  # the polygon's own winding
