"""One shape as several: mirrored, and stretched along the axes (3DShape2VecSet, Zhang et al. 2023, section 6).

Each axis is stretched by its own factor, then the whole shape is scaled so that its longest side is as it was: the
frame is centred, so the shape keeps its middle and its size.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ltm3d.errors import ConfigError

# P points, Q queries


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig:
    """How a training step changes a shape; validation and encoding never do.

    Attributes:
        mirror: turn every other one around, x → −x.
        scale: factors are drawn from [1 − scale, 1 + scale]; 0 turns stretching off.
    """

    mirror: bool = True
    scale: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.scale <= 0.9:
            raise ConfigError(f"scale is {self.scale}; use 0 (off) to 0.9")


def draw_stretch(
    config: AugmentationConfig, points: Float[np.ndarray, "P 3"], rng: np.random.Generator
) -> Float[np.ndarray, "3"]:
    """Draw the factors of one shape, float32, of which the first is negative where it is mirrored.

    Args:
        points: of the shape's surface; they tell its longest side.
    """
    stretch = np.ones(3)
    if config.mirror and rng.random() < 0.5:
        stretch[0] = -1
    if config.scale > 0:
        stretch *= rng.uniform(1 - config.scale, 1 + config.scale, 3)
        extents = np.ptp(points, axis=0)
        stretch *= extents.max() / max((np.abs(stretch) * extents).max(), 1e-9)
    return stretch.astype(np.float32)


def stretch_normals(normals: Float[np.ndarray, "P 3"], stretch: Float[np.ndarray, "3"]) -> Float[np.ndarray, "P 3"]:
    """Return the unit normals of a stretched surface: n / s, made of unit length; a mirror leaves the length."""
    turned = normals / stretch
    if (np.abs(stretch) == 1).all():
        return turned
    return turned / np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-9)


def stretch_distances(
    queries: Float[np.ndarray, "Q 4"], surface: Float[np.ndarray, "P 6"], stretch: Float[np.ndarray, "3"]
) -> Float[np.ndarray, " Q"]:
    """Return the signed distances of queries [x, y, z, distance] in the stretched space.

    Where the surface is flat, with unit normal n at the nearest point p, d' = d / |S⁻¹ n|, exactly. It cannot be more
    than |S (q − p)|. Near edges it is an estimate, off by less than the largest factor; the sign is always right.

    Args:
        surface: points with normals of the unstretched surface, dense enough to find n among them.
    """
    from ltm3d.metrics.surface import nearest

    _, index = nearest(queries[:, :3], surface[:, :3])
    offset = (queries[:, :3] - surface[index, :3]) * stretch
    flat = np.abs(queries[:, 3]) / np.maximum(np.linalg.norm(surface[index, 3:] / stretch, axis=1), 1e-9)
    distance = np.minimum(flat, np.linalg.norm(offset, axis=1))
    return np.where(queries[:, 3] < 0, -distance, distance).astype(np.float32)
