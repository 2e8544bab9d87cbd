"""Edges where the surface bends, and points on them, which uniform sampling misses (Dora, arXiv 2412.17808).

The angle of an edge is that between the planes of its two faces, 0 = flat, whatever the winding of either.
"""

from dataclasses import dataclass

import numpy as np

from ltm3d.geometry.mesh import Mesh, corner_edges, corner_pairs, face_cross
from ltm3d.geometry.surface_points import SurfaceSamples, surface_colors

MIN_ANGLE = 30.0  # degrees
_FOLDED = -0.9999  # cosine at which two faces lie on each other: the two sides of a sheet, not an edge


@dataclass(frozen=True, eq=False)
class SharpEdges:
    """E sharp edges: end points float32 [E, 2, 3], vertices int64 [E, 2], and the two faces that meet, int64 [E, 2].

    The vertices are those of the first face.
    """

    ends: np.ndarray
    vertices: np.ndarray
    faces: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Length of each edge, float64 [E]."""
        return np.linalg.norm(self.ends[:, 1].astype(np.float64) - self.ends[:, 0], axis=1)


def find_sharp_edges(mesh: Mesh, *, min_angle: float = MIN_ANGLE) -> SharpEdges:
    """Find the edges, by position, whose faces meet at more than `min_angle` degrees; a boundary has no angle.

    Where more than two faces share an edge, the sharpest pair of neighbours in the mesh's order counts.
    """
    cross = face_cross(mesh)
    normals = cross / np.maximum(np.linalg.norm(cross, axis=1, keepdims=True), 1e-30)
    tail, _, key = corner_edges(mesh)
    first, second, cosine = corner_pairs(key, normals)
    cosine = np.where(tail[first] == tail[second], -cosine, cosine)  # run the same way: one of the two is turned over
    sharp = (cosine < np.cos(np.radians(min_angle))) & (cosine > _FOLDED)
    first, second, cosine = first[sharp], second[sharp], cosine[sharp]
    sharpest = np.lexsort((cosine, key[first]))
    _, keep = np.unique(key[first][sharpest], return_index=True)
    first, second = first[sharpest[keep]], second[sharpest[keep]]
    vertices = np.stack([mesh.faces.reshape(-1)[first], mesh.faces[:, [1, 2, 0]].reshape(-1)[first]], axis=1)
    return SharpEdges(mesh.vertices[vertices], vertices, np.stack([first // 3, second // 3], axis=1))


def sample_edges(mesh: Mesh, edges: SharpEdges, count: int, rng: np.random.Generator) -> SurfaceSamples:
    """Draw points uniformly by length; the normal is that of one of the edge's two faces, by chance.

    Raises:
        ValueError: there is no edge.
    """
    lengths = edges.lengths
    running = np.cumsum(lengths)
    if not len(running) or running[-1] <= 0:
        raise ValueError("there is no sharp edge to draw points from; look at `lengths` first")
    strata = (np.arange(count) + rng.random(count)) * (running[-1] / count)
    edge = np.minimum(np.searchsorted(running, strata, side="right"), len(running) - 1)
    share = rng.random((count, 1), dtype=np.float32)
    points = (1 - share) * edges.ends[edge, 0] + share * edges.ends[edge, 1]
    side = rng.integers(0, 2, count)
    face = edges.faces[edge, side]
    cross = face_cross(mesh)
    normals = cross[face] / np.maximum(np.linalg.norm(cross[face], axis=1, keepdims=True), 1e-30)
    first = edges.faces[edge, 0]
    corner = (mesh.faces[first] == edges.vertices[edge, :1]).argmax(axis=1)
    weights = np.zeros((count, 3), np.float32)
    pick = np.arange(count)
    weights[pick, corner], weights[pick, (corner + 1) % 3] = 1 - share[:, 0], share[:, 0]
    return SurfaceSamples(
        points=points.astype(np.float32),
        normals=normals.astype(np.float32),
        colors=surface_colors(mesh, first, weights),
        face_index=face,
    )
