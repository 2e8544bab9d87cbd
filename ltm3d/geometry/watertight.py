"""A watertight surface around any mesh: the level set d(x) = ε of its signed distance d, negative inside.

Open sheets become plates of thickness 2ε, which a grid of spacing h sees without gaps where 2ε >= sqrt(3) h. Solid
parts grow by ε.
"""

import math
from dataclasses import dataclass

import numpy as np

from ltm3d.errors import ConfigError
from ltm3d.geometry.extraction import RESOLUTIONS, check_resolution, extract_mesh
from ltm3d.geometry.mesh import Mesh, is_watertight
from ltm3d.geometry.signed_distance import SignedDistance
from ltm3d.geometry.surface_points import surface_colors
from ltm3d.geometry.triangle_tree import TriangleTree


@dataclass(frozen=True, kw_only=True)
class RemeshConfig:
    """How fine the new surface is.

    Attributes:
        resolution: grid cells along each side of [-1, 1]^3; at most 64 times a power of two; 32 times one is fastest.
        epsilon: offset from the old surface, normalised units; None = the smallest without gaps.
    """

    resolution: int = 256
    epsilon: float | None = None

    def __post_init__(self) -> None:
        if self.resolution < 16:
            raise ConfigError(f"resolution {self.resolution} is out of range; use 16 to {RESOLUTIONS[1]:,}")
        check_resolution(self.resolution)
        if self.epsilon is not None and not self.smallest_epsilon <= self.epsilon <= 0.1:
            raise ConfigError(
                f"epsilon {self.epsilon} is out of range; at resolution {self.resolution} use "
                f"{self.smallest_epsilon:.5f} to 0.1, or null for the smallest"
            )

    @property
    def smallest_epsilon(self) -> float:
        """Half of a cell's diagonal."""
        return math.sqrt(3) / self.resolution

    @property
    def offset(self) -> float:
        """The epsilon that is used."""
        return self.smallest_epsilon if self.epsilon is None else self.epsilon


def remesh_watertight(mesh: Mesh, config: RemeshConfig) -> Mesh:
    """Return a watertight mesh around one in the normalised frame; what is watertight already comes back as it is.

    Colours are those of the closest points of the old surface.
    """
    if is_watertight(mesh):
        return mesh
    distance = SignedDistance(mesh)
    shell = extract_mesh(lambda points: distance(points) - np.float32(config.offset), resolution=config.resolution)
    if mesh.vertex_colors is None:
        return shell
    closest, face = TriangleTree(mesh).closest_points(shell.vertices)
    colors = surface_colors(mesh, face, _barycentric(mesh.triangles[face], closest))
    return Mesh(shell.vertices, shell.faces, colors)


def _barycentric(triangles: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the weights [Q, 3] of points [Q, 3] on triangles [Q, 3, 3], cut to 0..1; degenerate ones: a corner."""
    corners = triangles.astype(np.float64)
    u, v, w = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], points - corners[:, 0]
    uu, uv, vv = (np.einsum("qx,qx->q", a, b) for a, b in ((u, u), (u, v), (v, v)))
    uw, vw = np.einsum("qx,qx->q", u, w), np.einsum("qx,qx->q", v, w)
    area = np.maximum(uu * vv - uv * uv, 1e-30)
    second, third = (vv * uw - uv * vw) / area, (uu * vw - uv * uw) / area
    weights = np.clip(np.stack([1 - second - third, second, third], axis=1), 0, 1)
    return weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
