"""A coloured point cloud as a training target: uniform points, points on sharp edges, and a well spread subset.

Letters: S surface points, E points on sharp edges, P farthest points.
"""

from dataclasses import dataclass

import numpy as np

from ltm3d.errors import ConfigError
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.sharp_edges import MIN_ANGLE
from ltm3d.geometry.surface_points import farthest_points
from ltm3d.representations.oriented_points import check_sharp_angle, sharp_points, surface_points


@dataclass(frozen=True, kw_only=True)
class PointCloudTargetConfig:
    """How many points of each kind one object gets.

    Attributes:
        num_surface: points uniform by area.
        num_sharp: points uniform by length on sharp edges; by area on what has no such edge.
        num_farthest: of the uniform points, each the farthest from those before; the first n are the n farthest.
        sharp_angle: degrees between two faces from which on their edge is sharp.
    """

    num_surface: int = 16384
    num_sharp: int = 4096
    num_farthest: int = 2048
    sharp_angle: float = MIN_ANGLE

    def __post_init__(self) -> None:
        for name in ("num_surface", "num_sharp"):
            if not 1 <= getattr(self, name) <= 10_000_000:
                raise ConfigError(f"{name} {getattr(self, name)} is out of range; use 1 to 10,000,000")
        if not 1 <= self.num_farthest <= self.num_surface:
            raise ConfigError(
                f"num_farthest {self.num_farthest} is out of range; use 1 to num_surface = {self.num_surface}"
            )
        check_sharp_angle(self.sharp_angle)


def build_point_cloud_target(
    mesh: Mesh, *, config: PointCloudTargetConfig, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Return the fields `schema.POINT_CLOUD_TARGETS` of a mesh in the normalised frame, and what is known of its edges.

    Raises:
        AssetError: `no_surface`, the mesh has no area.
    """
    surface = surface_points(mesh, config.num_surface, rng)
    sharp, facts = sharp_points(mesh, config.num_sharp, rng, min_angle=config.sharp_angle)
    spread = farthest_points(surface.points[:, :3].astype(np.float32), config.num_farthest)
    return {
        "surface": surface.points,
        "surface_colors": surface.colors,
        "sharp": sharp.points,
        "sharp_colors": sharp.colors,
        "farthest": surface.points[spread],
        "farthest_colors": surface.colors[spread],
    }, facts
