"""Measure a decoded distance field against the true one, through the same extraction (eval/v1, "Reconstruction")."""

import logging
from collections.abc import Sequence
from functools import partial

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from ltm3d.errors import AssetError
from ltm3d.evaluation.cost import with_cost
from ltm3d.evaluation.fidelity import shape_metrics, truth_of
from ltm3d.evaluation.measurement import Measured, decode_or_none
from ltm3d.geometry.extraction import extract_mesh
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.signed_distance import SignedDistance
from ltm3d.geometry.surface_points import sample_surface
from ltm3d.metrics.volume import iou
from ltm3d.tokenizers.field import FieldTokenizer
from ltm3d.tokenizers.tokenizer import DecodeConfig

logger = logging.getLogger(__name__)

# L tokens, D token channels, Q queries, V of them uniform, N near the surface


def measure_field(
    mesh: Mesh,
    tokens: Float[Tensor, "L D"],
    *,
    tokenizer: FieldTokenizer,
    resolutions: Sequence[int],
    num_points: int,
    num_queries: int,
    near_std: float,
    thresholds: Sequence[float],
    seed: int,
) -> dict[tuple[str, str], Measured]:
    """Measure one asset at each resolution; the keys are (`round_trip` or `ceiling`, resolution).

    The round trip's volume is that of the decoded field, the ceiling's that of the mesh extracted from the true field:
    the field itself would be compared with itself. Without a surface there is no volume either: both IoUs are 0.
    """
    rng = np.random.default_rng([seed, 2])
    volume = rng.uniform(-1, 1, (num_queries, 3)).astype(np.float32)
    near = sample_surface(mesh, num_queries, rng).points
    near = np.clip(near + near_std * rng.standard_normal(near.shape), -1, 1).astype(np.float32)
    true_field, queries = SignedDistance(mesh), np.concatenate([volume, near])
    inside, near_inside = _halves(true_field(queries) < 0)
    decoded_inside = tokenizer.inside(tokens, queries)
    truth = truth_of(mesh, inside=inside, num_points=num_points, seed=seed)
    results = {}
    for resolution in resolutions:
        decode = DecodeConfig(resolution=resolution)
        decoded, cost = with_cost(partial(decode_or_none, tokenizer, tokens, decode))
        ceiling = _extract(true_field, resolution)
        ceiling_inside = np.zeros(len(queries), bool) if ceiling is None else SignedDistance(ceiling)(queries) < 0
        for method, shape, shape_inside, decode_cost in (
            ("round_trip", decoded, decoded_inside, cost),
            ("ceiling", ceiling, ceiling_inside, None),
        ):
            volume_inside, shape_near_inside = _halves(shape_inside)
            metrics = shape_metrics(
                truth, shape, volume_inside, thresholds=thresholds, num_points=num_points, seed=seed
            )
            metrics["near_iou"] = 0.0 if shape is None else iou(shape_near_inside, near_inside)
            results[method, f"{resolution}^3"] = Measured(metrics, shape is None, cost=decode_cost)
    return results


def _halves(inside: Bool[np.ndarray, " Q"]) -> tuple[Bool[np.ndarray, " V"], Bool[np.ndarray, " N"]]:
    """Tell the uniform queries from those near the surface; there are as many."""
    return inside[: len(inside) // 2], inside[len(inside) // 2 :]


def _extract(field: SignedDistance, resolution: int) -> Mesh | None:
    try:
        return extract_mesh(field, resolution=resolution)
    except AssetError as error:
        logger.warning("a true field without a shape at %d^3: %s", resolution, error)
        return None
