"""A set of generated shapes beside the set of true ones (eval/v1, "Set metrics")."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from ltm3d.geometry.mesh import Mesh
from ltm3d.metrics.sets import chamfer_matrix, earth_mover_matrix, set_metrics
from ltm3d.shards.read import list_shards
from ltm3d.tokenizers.shape import Shape, from_arrays, surface_of

NUM_POINTS = 2048  # of each shape
_PREDICTED, _TRUE = 2, 3  # streams of random numbers; 0 and 1 are those of `shape_metrics`

# N shapes of each set, P points of each

Distances = dict[str, Float[np.ndarray, "N N"]]


def measure_sets(
    shapes: Mapping[str, Sequence[Shape | None]],
    truths: Sequence[Mesh],
    uids: Sequence[str],
    *,
    seed: int,
    with_earth_mover: bool,
    map_sets: Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]],
) -> dict[str, dict[str, float]]:
    """Compare each set with the true shapes: `num_shapes`, `mmd_cd`, `cov_cd`, `1nna_cd`, and `…_emd` on request.

    A shape that came out empty is a single point at the origin, as in `shape_metrics`: it counts.

    Args:
        shapes: name of the set → one shape for each true one, None = empty.
        uids: of the true shapes; each draw of points is a function of (seed, uid), for no two shapes the same.
        map_sets: how the sets are compared: one by one, or over workers; see `MapAssets`.
    """
    true = np.stack(
        [set_points(mesh, predicted=False, uid=uid, seed=seed) for mesh, uid in zip(truths, uids, strict=True)]
    )
    compare = partial(compare_with, true=true, among_true=distances_of(true, None, with_earth_mover=with_earth_mover))
    sets = [
        np.stack([set_points(shape, predicted=True, uid=uid, seed=seed) for shape, uid in zip(row, uids, strict=True)])
        for row in shapes.values()
    ]
    return dict(zip(shapes, map_sets(compare, sets), strict=True))


def compare_with(
    predicted: Float[np.ndarray, "N P 3"], *, true: Float[np.ndarray, "N P 3"], among_true: Distances
) -> dict[str, float]:
    """Return one set's metrics, by each distance that `among_true` has."""
    with_earth_mover = "emd" in among_true
    across = distances_of(predicted, true, with_earth_mover=with_earth_mover)
    among_predicted = distances_of(predicted, None, with_earth_mover=with_earth_mover)
    table: dict[str, float] = {"num_shapes": len(true)}
    for name in among_true:
        metrics = set_metrics(across[name], among_predicted[name], among_true[name])
        table |= {
            f"mmd_{name}": metrics.mmd,
            f"cov_{name}": metrics.coverage,
            f"1nna_{name}": metrics.nn_accuracy,
        }
    return table


def distances_of(
    shapes: Float[np.ndarray, "N P 3"], others: Float[np.ndarray, "N P 3"] | None, *, with_earth_mover: bool
) -> Distances:
    """Return all distances between two sets, or within one: `cd` is the Chamfer distance, `emd` the earth mover's."""
    distances = {"cd": chamfer_matrix(shapes, others)}
    if with_earth_mover:
        distances["emd"] = earth_mover_matrix(shapes, others)
    return distances


def set_points(shape: Shape | None, *, predicted: bool, uid: str, seed: int) -> Float[np.ndarray, "P 3"]:
    """Draw the points that stand for a shape in its set; fewer than that come more than once, each about as often.

    Two shapes never share their random numbers: where they have the same faces, as procedural ones do, their points
    would fall on the same places, and each would find its neighbour within its own set.
    """
    if shape is None:
        return np.zeros((NUM_POINTS, 3), np.float32)
    rng = np.random.default_rng([seed, _PREDICTED if predicted else _TRUE, zlib.crc32(uid.encode())])
    points = surface_of(shape, num_points=NUM_POINTS, rng=rng).points
    return points if isinstance(shape, Mesh) else points[np.resize(rng.permutation(len(points)), NUM_POINTS)]


def first_samples(folder: Path) -> dict[tuple[str, str], Shape | None]:
    """Read the first sample of each (uid, prompt) from the shards of `sample_shapes`; None where it failed."""
    shards = list_shards(folder)
    failed = [tuple(reject.uid.rsplit("-", 2)) for shard in shards for reject in shard.rejects]
    numbers = [record["number"] for shard in shards for record in shard.records] + [int(each[2]) for each in failed]
    lowest = min(numbers, default=0)
    first: dict[tuple[str, str], Shape | None] = {
        (uid, prompt): None for uid, prompt, number in failed if int(number) == lowest
    }
    for shard in shards:
        for index, record in enumerate(shard.records):
            if record["number"] == lowest:
                arrays = {name: shard[name][index] for name in shard.fields}
                first[record["uid"], record["prompt"]] = from_arrays(arrays)
    return first
