"""Measure a decoded distance field against the true one, through the same extraction (eval/v1, "Reconstruction")."""

from collections.abc import Callable, Sequence

import numpy as np

from ltm3d.errors import AssetError
from ltm3d.evaluation.fidelity import shape_figures, truth_of
from ltm3d.evaluation.measurement import Measured
from ltm3d.geometry.extraction import extract_mesh
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.sampling import sample_surface
from ltm3d.geometry.signed_distance import SignedDistance
from ltm3d.metrics.volume import iou

Field = Callable[[np.ndarray], np.ndarray]


def measure_field(
    mesh: Mesh,
    decoded: Field,
    *,
    resolutions: Sequence[int],
    num_points: int,
    num_queries: int,
    near_std: float,
    thresholds: Sequence[float],
    seed: int,
) -> dict[tuple[str, str], Measured]:
    """Measure one asset at each resolution; the keys are (`round_trip` or `ceiling`, resolution)."""
    rng = np.random.default_rng([seed, 2])
    volume = rng.uniform(-1, 1, (num_queries, 3)).astype(np.float32)
    near = sample_surface(mesh, num_queries, rng).points
    near = np.clip(near + near_std * rng.standard_normal(near.shape), -1, 1).astype(np.float32)
    true_field = SignedDistance(mesh)
    inside, near_inside = true_field(volume) < 0, true_field(near) < 0
    truth = truth_of(mesh, inside=inside, num_points=num_points, seed=seed)
    methods: dict[str, tuple[Field, np.ndarray, np.ndarray]] = {
        "round_trip": (decoded, decoded(volume) < 0, decoded(near) < 0),
        "ceiling": (true_field, inside, near_inside),
    }
    results = {}
    for resolution in resolutions:
        for method, (field, field_inside, field_near_inside) in methods.items():
            extracted = _extract(field, resolution)
            figures = shape_figures(
                truth, extracted, field_inside, thresholds=thresholds, num_points=num_points, seed=seed
            )
            figures["near_iou"] = iou(field_near_inside, near_inside)
            results[method, f"{resolution}^3"] = Measured(figures, extracted is None)
    return results


def _extract(field: Field, resolution: int) -> Mesh | None:
    try:
        return extract_mesh(field, resolution=resolution)
    except AssetError:
        return None
