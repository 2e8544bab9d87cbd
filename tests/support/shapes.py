"""Shapes whose surface and signed distance are known in closed form."""

import numpy as np
import trimesh

from ltm3d.geometry.mesh import Mesh


def from_trimesh(solid: trimesh.Trimesh, color: tuple[int, int, int] | None = None) -> Mesh:
    """Take over a trimesh, in one colour or none."""
    colors = None if color is None else np.tile(np.array(color, np.uint8), (len(solid.vertices), 1))
    return Mesh(vertices=solid.vertices, faces=solid.faces, vertex_colors=colors)


def sphere(radius: float = 0.8, *, subdivisions: int = 4) -> Mesh:
    """An outward-wound icosphere; its facets lie up to 0.2 % inside the true sphere."""
    return from_trimesh(trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius))


def box(
    extents: tuple[float, float, float] = (1.0, 1.0, 1.0),
    center: tuple[float, float, float] = (0.0, 0.0, 0.0),
    color: tuple[int, int, int] | None = None,
) -> Mesh:
    """An outward-wound box of twelve triangles."""
    solid = trimesh.creation.box(extents=extents)
    solid.apply_translation(center)
    return from_trimesh(solid, color)


def torus(major: float = 0.6, minor: float = 0.2) -> Mesh:
    """A torus around z."""
    return from_trimesh(trimesh.creation.torus(major, minor, major_sections=128, minor_sections=64))


def inside_out(mesh: Mesh) -> Mesh:
    """Turn every face around."""
    return Mesh(mesh.vertices, mesh.faces[:, ::-1], mesh.vertex_colors)


def sphere_distance(points: np.ndarray, radius: float = 0.8) -> np.ndarray:
    """Closed form, negative inside."""
    return np.linalg.norm(points, axis=1) - radius


def box_distance(
    points: np.ndarray,
    extents: tuple[float, float, float] = (1.0, 1.0, 1.0),
    center: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> np.ndarray:
    """Closed form, negative inside."""
    beyond = np.abs(points.astype(np.float64) - center) - np.array(extents) / 2
    return np.linalg.norm(np.maximum(beyond, 0), axis=1) + np.minimum(beyond.max(axis=1), 0)


def torus_distance(points: np.ndarray, major: float = 0.6, minor: float = 0.2) -> np.ndarray:
    """Closed form, negative inside."""
    return np.hypot(np.hypot(points[:, 0], points[:, 1]) - major, points[:, 2]) - minor


def uniform_points(count: int, seed: int = 0) -> np.ndarray:
    """Points in [-1, 1]^3, float32."""
    return np.random.default_rng(seed).uniform(-1, 1, (count, 3)).astype(np.float32)
