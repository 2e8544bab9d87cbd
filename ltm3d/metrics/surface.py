"""Distances between surfaces given as points. Letters: A, B points of the two surfaces."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from pykdtree.kdtree import KDTree


def nearest(
    queries: Float[np.ndarray, "A 3"], points: Float[np.ndarray, "B 3"]
) -> tuple[Float[np.ndarray, " A"], Int[np.ndarray, " A"]]:
    """Return the distance from each query to its nearest point, and that point's index."""
    if not len(queries) or not len(points):
        raise ValueError(f"{len(queries)} queries and {len(points)} points; each set needs at least one")
    tree = KDTree(np.ascontiguousarray(points, dtype=np.float32))
    distance, index = tree.query(np.ascontiguousarray(queries, dtype=np.float32), k=1)
    return distance, index.astype(np.int64)


def chamfer_l1(points_a: Float[np.ndarray, "A 3"], points_b: Float[np.ndarray, "B 3"]) -> float:
    """Return mean_a min_b |a - b| + mean_b min_a |a - b|, both ways summed, not halved."""
    return float(nearest(points_a, points_b)[0].mean() + nearest(points_b, points_a)[0].mean())


def f_score(points_a: Float[np.ndarray, "A 3"], points_b: Float[np.ndarray, "B 3"], threshold: float) -> float:
    """Return the harmonic mean of the shares of points whose nearest neighbour is closer than `threshold`."""
    return _harmonic_mean(nearest(points_a, points_b)[0], nearest(points_b, points_a)[0], threshold)


def normal_consistency(
    points_a: Float[np.ndarray, "A 3"],
    normals_a: Float[np.ndarray, "A 3"],
    points_b: Float[np.ndarray, "B 3"],
    normals_b: Float[np.ndarray, "B 3"],
) -> float:
    """Return the mean |cosine| between each unit normal and its nearest point's, over both ways; 1 = all parallel."""
    forth = normals_b[nearest(points_a, points_b)[1]]
    back = normals_a[nearest(points_b, points_a)[1]]
    return (_mean_cosine(normals_a, forth) + _mean_cosine(normals_b, back)) / 2


def surface_metrics(
    points_a: Float[np.ndarray, "A 3"],
    points_b: Float[np.ndarray, "B 3"],
    *,
    thresholds: Sequence[float],
    normals_a: Float[np.ndarray, "A 3"] | None = None,
    normals_b: Float[np.ndarray, "B 3"] | None = None,
) -> dict[str, float]:
    """Return `chamfer_l1`, `f_score@<threshold>` and, with normals, `normal_consistency`, from one pair of searches."""
    distance_a, index_b = nearest(points_a, points_b)
    distance_b, index_a = nearest(points_b, points_a)
    metrics = {"chamfer_l1": float(distance_a.mean() + distance_b.mean())}
    for threshold in thresholds:
        metrics[f"f_score@{threshold:g}"] = _harmonic_mean(distance_a, distance_b, threshold)
    if normals_a is not None and normals_b is not None:
        forth, back = _mean_cosine(normals_a, normals_b[index_b]), _mean_cosine(normals_b, normals_a[index_a])
        metrics["normal_consistency"] = (forth + back) / 2
    return metrics


def _harmonic_mean(distance_a: np.ndarray, distance_b: np.ndarray, threshold: float) -> float:
    precision, recall = float((distance_a < threshold).mean()), float((distance_b < threshold).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0


def _mean_cosine(normals: np.ndarray, others: np.ndarray) -> float:
    return float(np.abs(np.einsum("nx,nx->n", normals, others)).mean())
