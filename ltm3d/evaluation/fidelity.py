"""How near a shape is to the one the prompt came from (eval/v1, "Fidelity to the prompt's own shape")."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.surface_points import SurfaceSamples, sample_surface
from ltm3d.metrics.surface import surface_metrics
from ltm3d.metrics.volume import iou
from ltm3d.tokenizers.shape import Shape, surface_of

PROTOCOL = "eval/v1"

# P surface points, Q queries


@dataclass(frozen=True)
class Truth:
    """What a test shape is measured by: points of its surface, and which of some fixed queries lie inside it.

    Attributes:
        inside: None where no volume is asked for.
    """

    surface: SurfaceSamples
    inside: Bool[np.ndarray, " Q"] | None = None


def truth_of(mesh: Mesh, *, inside: Bool[np.ndarray, " Q"] | None = None, num_points: int, seed: int) -> Truth:
    """Draw the true surface's points; the same seed gives the same points."""
    return Truth(sample_surface(mesh, num_points, np.random.default_rng([seed, 0])), inside)


def shape_metrics(
    truth: Truth,
    shape: Shape | None,
    inside: Bool[np.ndarray, " Q"] | None,
    *,
    thresholds: Sequence[float],
    num_points: int,
    seed: int,
) -> dict[str, float]:
    """Measure one shape: `chamfer_l1`, `f_score@…`, `normal_consistency` where it has normals, and `volume_iou` where
    the truth has a volume.

    A shape that came out empty is measured like a single point at the origin, with an IoU of 0: it counts, and
    it counts badly.

    Args:
        inside: which of the truth's queries lie inside the shape; None where the shape is empty, or has no inside.
    """
    if shape is None:
        origin = np.zeros((1, 3), np.float32)
        metrics = surface_metrics(origin, truth.surface.points, thresholds=thresholds) | {"normal_consistency": 0.0}
    else:
        surface = surface_of(shape, num_points=num_points, rng=np.random.default_rng([seed, 1]))
        metrics = surface_metrics(
            surface.points,
            truth.surface.points,
            thresholds=thresholds,
            normals_a=surface.normals,
            normals_b=truth.surface.normals,
        )
    if truth.inside is not None:
        metrics["volume_iou"] = 0.0 if shape is None or inside is None else iou(inside, truth.inside)
    return metrics
