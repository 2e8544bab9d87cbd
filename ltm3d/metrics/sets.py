"""How alike two sets of shapes are, from the distances between all their members.

N predicted shapes, M true ones, P points of each.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Float
from pykdtree.kdtree import KDTree

from ltm3d.geometry.morton import morton_order
from ltm3d.metrics.earth_mover import earth_mover

T = TypeVar("T")


@dataclass(frozen=True)
class SetMetrics:
    """What eval/v1 says of two sets of equal size.

    Attributes:
        mmd: minimum matching distance (Achlioptas et al. 2018, section 2.2): mean over true shapes of the distance to
            the nearest predicted one; lower is better.
        coverage: share of true shapes that are the nearest one of a predicted shape (same place); higher is better.
        nn_accuracy: 1-NNA (Yang et al. 2019, section 5.1): how often the nearest other shape of both sets together is
            of a shape's own set; 0.5 where the sets cannot be told apart, 1 where they lie apart, 0 where each
            predicted shape is a copy of a true one.
    """

    mmd: float
    coverage: float
    nn_accuracy: float


def set_metrics(
    across: Float[np.ndarray, "N N"], among_predicted: Float[np.ndarray, "N N"], among_true: Float[np.ndarray, "N N"]
) -> SetMetrics:
    """Return the metrics of two sets from their distances.

    Where several shapes are equally near, as copies are, each has its share in the 1-NNA: no order of the shapes
    changes it. For coverage the first of equally near true shapes counts.

    Args:
        across: rows are predicted shapes, columns true ones.

    Raises:
        ValueError: no shapes, or a distance that is not finite.
    """
    num = len(across)
    joined = np.block([[among_predicted, across], [across.T, among_true]]).astype(np.float64)
    if not num or not np.isfinite(joined).all():
        raise ValueError(f"{num} shapes, {int((~np.isfinite(joined)).sum())} distances not finite; give finite ones")
    np.fill_diagonal(joined, np.inf)
    is_nearest = joined == joined.min(axis=1, keepdims=True)
    np.fill_diagonal(is_nearest, False)
    own = np.concatenate([is_nearest[:num, :num].sum(axis=1), is_nearest[num:, num:].sum(axis=1)])
    return SetMetrics(
        mmd=float(across.min(axis=0).mean()),
        coverage=len(np.unique(across.argmin(axis=1))) / num,
        nn_accuracy=float((own / is_nearest.sum(axis=1)).mean()),
    )


def chamfer_matrix(
    shapes_a: Float[np.ndarray, "N P 3"], shapes_b: Float[np.ndarray, "M Q 3"] | None = None
) -> Float[np.ndarray, "N M"]:
    """Return `chamfer_l1` of each pair; within one set where `shapes_b` is None, which takes half the time.

    Each shape has its tree built once, and its points are asked in Z-order. Distances by a product of matrices would be
    off where points coincide.
    """
    trees_a = [_tree_of(points) for points in shapes_a]
    return _each_pair(_chamfer, trees_a, None if shapes_b is None else [_tree_of(points) for points in shapes_b])


def earth_mover_matrix(
    shapes_a: Float[np.ndarray, "N P 3"], shapes_b: Float[np.ndarray, "M P 3"] | None = None
) -> Float[np.ndarray, "N M"]:
    """Return `earth_mover` of each pair; within one set where `shapes_b` is None, which takes half the time."""
    return _each_pair(earth_mover, list(shapes_a), None if shapes_b is None else list(shapes_b))


def _each_pair(distance: Callable[[T, T], float], items_a: Sequence[T], items_b: Sequence[T] | None) -> np.ndarray:
    if items_b is not None:
        values = [distance(a, b) for a in items_a for b in items_b]
        return np.array(values, np.float64).reshape(len(items_a), len(items_b))
    matrix = np.zeros((len(items_a), len(items_a)))
    for i, item in enumerate(items_a):
        for j in range(i):
            matrix[i, j] = matrix[j, i] = distance(item, items_a[j])
    return matrix


def _tree_of(points: np.ndarray) -> tuple[np.ndarray, KDTree]:
    points = np.ascontiguousarray(points[morton_order(points)], dtype=np.float32)
    return points, KDTree(points)


def _chamfer(a: tuple[np.ndarray, KDTree], b: tuple[np.ndarray, KDTree]) -> float:
    return float(b[1].query(a[0])[0].mean() + a[1].query(b[0])[0].mean())
