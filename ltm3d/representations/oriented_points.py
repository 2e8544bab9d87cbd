"""Points with normals and colours as targets store them: shuffled once, so that any slice is a fair sample."""

from dataclasses import dataclass

import numpy as np

from ltm3d.errors import ConfigError
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.sharp_edges import find_sharp_edges, sample_edges
from ltm3d.geometry.surface_points import SurfaceSamples, sample_surface


@dataclass(frozen=True, eq=False)
class OrientedPoints:
    """Points and unit normals float16 [S, 6], colours uint8 [S, 3]."""

    points: np.ndarray
    colors: np.ndarray


def check_sharp_angle(angle: float) -> None:
    """Refuse an angle that makes every edge sharp, or none."""
    if not 1 <= angle <= 179:
        raise ConfigError(f"sharp_angle {angle} is out of range; use 1 to 179 degrees")


def surface_points(mesh: Mesh, count: int, rng: np.random.Generator) -> OrientedPoints:
    """Draw points uniformly by area.

    Raises:
        AssetError: `no_surface`.
    """
    return _shuffled(sample_surface(mesh, count, rng), rng)


def sharp_points(
    mesh: Mesh, count: int, rng: np.random.Generator, *, min_angle: float
) -> tuple[OrientedPoints, dict[str, float]]:
    """Draw points on sharp edges, and tell their length; a surface without any gives points uniform by area.

    Args:
        min_angle: degrees between the planes of two faces from which on their edge is sharp.
    """
    edges = find_sharp_edges(mesh, min_angle=min_angle)
    facts = {"num_sharp_edges": float(len(edges.faces)), "sharp_length": float(edges.lengths.sum())}
    has_any = facts["sharp_length"] > 0
    samples = sample_edges(mesh, edges, count, rng) if has_any else sample_surface(mesh, count, rng)
    return _shuffled(samples, rng), facts


def _shuffled(samples: SurfaceSamples, rng: np.random.Generator) -> OrientedPoints:
    order = rng.permutation(len(samples.points))
    points = np.concatenate([samples.points, samples.normals], axis=1).astype(np.float16)
    return OrientedPoints(points[order], samples.colors[order])
