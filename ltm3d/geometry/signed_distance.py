"""Signed distance to any mesh, whatever its winding, holes and overlaps.

Size: the true distance to the original triangles. Sign: inside = enclosed by the flood fill, or wound around
(|generalised winding number| > 0.5, Jacobson et al. 2013; fast evaluation by Barill et al. 2018).
"""

import os
from functools import cached_property

import numpy as np

from ltm3d.geometry.mesh import Mesh, has_no_boundary
from ltm3d.geometry.occupancy import BAND, ENCLOSED, FloodFill
from ltm3d.geometry.raycasting import RayScene, split_slivers

FLOOD_RESOLUTION = 96
_NUM_PROBES = 4096
_CHUNK = 65_536  # points at once: bounds the memory


class SignedDistance:
    """A mesh ready for distance queries; negative inside. Everything is deterministic and runs on one thread.

    Args:
        mesh: welded by position, at least one face.
        flood_resolution: voxels along the longest side; gaps narrower than two voxels count as closed.
    """

    def __init__(self, mesh: Mesh, *, flood_resolution: int = FLOOD_RESOLUTION) -> None:
        self._mesh = mesh
        self._scene = RayScene(split_slivers(mesh))
        self._flood = FloodFill(mesh, self._scene, resolution=flood_resolution)
        self._is_closed = has_no_boundary(mesh)

    def unsigned(self, points: np.ndarray) -> np.ndarray:
        """Return the distance [Q] of points [Q, 3] to the closest triangle, float32."""
        points = np.ascontiguousarray(points, dtype=np.float32)
        if not len(points):
            return np.zeros(0, np.float32)
        return np.linalg.norm(points - self._scene.closest_points(points)[0], axis=1)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Return the signed distance [Q] of points [Q, 3], float32."""
        points = np.ascontiguousarray(points, dtype=np.float32)
        distance, label = np.zeros(len(points), np.float32), np.full(len(points), BAND)
        for start in range(0, len(points), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            away = points[chunk] - self._scene.closest_points(points[chunk])[0]
            distance[chunk] = np.linalg.norm(away, axis=1)
            label[chunk] = self._flood.classify(points[chunk], away / np.maximum(distance[chunk], 1e-12)[:, None])
        inside = label == ENCLOSED
        # A surface without boundary winds 0 times around all that is joined to the far field.
        doubtful = label == BAND if self._is_closed else (label != ENCLOSED) & self._within_bounds(points)
        inside[doubtful] = self._is_wound(points[doubtful])  # once: libigl builds its tree anew for each call
        return np.where(inside, -distance, distance)

    @cached_property
    def sign_disagreement(self) -> float:
        """Share of the inside on which flood fill and winding number differ, over points drawn around the mesh."""
        rng = np.random.default_rng(0)
        low, high = self._mesh.vertices.min(axis=0), self._mesh.vertices.max(axis=0)
        points = (low + rng.random((_NUM_PROBES, 3), dtype=np.float32) * (high - low)).astype(np.float32)
        label = self._flood.lookup(points)
        points, label = points[label != BAND], label[label != BAND]
        enclosed, wound = label == ENCLOSED, self._is_wound(points)
        return float((enclosed ^ wound).sum() / max((enclosed | wound).sum(), 1))

    def _within_bounds(self, points: np.ndarray) -> np.ndarray:
        low, high = self._mesh.vertices.min(axis=0), self._mesh.vertices.max(axis=0)
        return ((points > low) & (points < high)).all(axis=1)

    def _is_wound(self, points: np.ndarray) -> np.ndarray:
        if not len(points):
            return np.zeros(0, dtype=bool)
        return np.abs(winding_number(self._mesh, points)) > 0.5


def winding_number(mesh: Mesh, points: np.ndarray) -> np.ndarray:
    """Return the generalised winding number [Q] at points [Q, 3]: 1 inside an outward-wound closed surface."""
    os.environ.setdefault("IGL_NUM_THREADS", "1")  # libigl reads it once; else it starts a thread a core
    import igl

    return igl.fast_winding_number(mesh.vertices.astype(np.float64), mesh.faces, points.astype(np.float64))
