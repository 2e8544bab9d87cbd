"""How near a shape is to the one the prompt came from (eval/v1, "Fidelity to the prompt's own shape")."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.sampling import SurfaceSamples, sample_surface
from ltm3d.metrics.surface import surface_metrics
from ltm3d.metrics.volume import iou

PROTOCOL = "eval/v1"

# P surface points, Q queries


@dataclass(frozen=True)
class Truth:
    """What a test shape is measured by: points of its surface, and which of some fixed queries lie inside."""

    surface: SurfaceSamples
    queries: Float[np.ndarray, "Q 3"]
    inside: Bool[np.ndarray, " Q"]


def truth_of(
    mesh: Mesh, *, queries: Float[np.ndarray, "Q 3"], inside: Bool[np.ndarray, " Q"], num_points: int, seed: int
) -> Truth:
    """Draw the true surface's points; the same seed gives the same points."""
    return Truth(sample_surface(mesh, num_points, np.random.default_rng([seed, 0])), queries, inside)


def shape_figures(
    truth: Truth,
    mesh: Mesh | None,
    inside: Bool[np.ndarray, " Q"] | None,
    *,
    thresholds: Sequence[float],
    num_points: int,
    seed: int,
) -> dict[str, float]:
    """Measure one shape: `chamfer_l1`, `f_score@…`, `normal_consistency`, `volume_iou`.

    A shape that came out empty is measured like a single point at the origin, with an IoU of 0: it counts, and
    it counts badly.

    Args:
        inside: which of the truth's queries lie inside the shape; None where the shape is empty.
    """
    if mesh is None or inside is None:
        origin = np.zeros((1, 3), np.float32)
        figures = surface_metrics(origin, truth.surface.points, thresholds=thresholds)
        return {**figures, "normal_consistency": 0.0, "volume_iou": 0.0}
    samples = sample_surface(mesh, num_points, np.random.default_rng([seed, 1]))
    figures = surface_metrics(
        samples.points,
        truth.surface.points,
        thresholds=thresholds,
        normals_a=samples.normals,
        normals_b=truth.surface.normals,
    )
    return {**figures, "volume_iou": iou(inside, truth.inside)}
