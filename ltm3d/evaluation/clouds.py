"""Metrics of a decoded point cloud beside distance and F-score (eval/v1, "Reconstruction")."""

import numpy as np
from jaxtyping import Float

from ltm3d.geometry.point_cloud import PointCloud
from ltm3d.metrics.earth_mover import earth_mover

# S points of the true surface

NUM_POINTS = 2048


def cloud_metrics(
    cloud: PointCloud | None, surface: Float[np.ndarray, "S 3"], *, rng: np.random.Generator
) -> dict[str, float]:
    """Return `emd`, the earth mover's distance of 2,048 points of each, or as many as the cloud has.

    Args:
        cloud: None where it came out empty; it is measured like as many points at the origin.
        surface: points of the true surface.
    """
    points = np.zeros((NUM_POINTS, 3), np.float32) if cloud is None else cloud.points
    count = min(NUM_POINTS, len(points), len(surface))
    return {
        "emd": earth_mover(
            points[rng.choice(len(points), count, replace=False)],
            surface[rng.choice(len(surface), count, replace=False)],
        )
    }
