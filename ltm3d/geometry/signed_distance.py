"""Signed distance to any mesh, whatever its winding, holes and overlaps.

Size: the true distance to the original triangles. Sign: where the surface is closed and its parts are oriented alike,
inside = wound around (|generalised winding number| > 0.5, Jacobson et al. 2013). Elsewhere inside = enclosed by the
flood fill, or wound around.
"""

from functools import cached_property

import numpy as np

from ltm3d.geometry.mesh import Mesh, doubled_share, has_no_boundary
from ltm3d.geometry.occupancy import BAND, ENCLOSED, OUTSIDE, UNSURE, WOUND, FloodFill
from ltm3d.geometry.raycasting import RayScene
from ltm3d.geometry.triangle_tree import TriangleTree

FLOOD_RESOLUTION = 96
_NUM_PROBES = 4096
_CLEARLY = 0.3  # difference to 0.5 at which the winding number of a voxel that is seen will do
_SURELY_NOT_WOUND = 0.4  # at the shore, so that 0.5 is not reached beyond


def is_closed(mesh: Mesh) -> bool:
    """Say whether winding numbers are whole and mean something: most faces are no sheets with a second side."""
    return has_no_boundary(mesh) and doubled_share(mesh) < 0.5


class SignedDistance:
    """A mesh ready for distance queries; negative inside. Everything is deterministic and runs on one thread.

    A winding number is harmonic off the surface, so it is largest where the open outside begins: the flood's shore.
    There it is asked for voxel by voxel, and what lies in the band takes a clear answer of the voxels it sees. It is
    asked for point by point where nothing or no clear answer is seen, and in the open where the shore does not rule
    out that it is large.

    Attributes:
        sign_by_winding: the surface is closed and oriented, so the winding number alone decides. It is the same
            throughout a region of free voxels, so it is asked for once a region.

    Args:
        mesh: welded by position, at least one face.
        flood_resolution: voxels along the longest side; gaps narrower than two voxels count as closed.
    """

    def __init__(self, mesh: Mesh, *, flood_resolution: int = FLOOD_RESOLUTION) -> None:
        self._mesh = mesh
        self._tree = TriangleTree(mesh)
        self._flood = FloodFill(mesh, RayScene(mesh), resolution=flood_resolution)
        self._open_is_outside = True
        self._flood_labels = self._flood.labels
        self.sign_by_winding = False
        if is_closed(mesh):  # it winds 0 times around all that is joined to the far field
            wound = self._tree.winding_numbers(self._flood.region_centres())
            self.sign_by_winding = bool((wound > -0.5).all() or (wound < 0.5).all())
            if self.sign_by_winding:
                self._flood.decide_regions(np.abs(wound) > 0.5)
        else:
            places, wound = self._wind_around_shore()
            self._flood.labels[tuple(places[wound > 0.5 - _CLEARLY].T)] = UNSURE
            self._flood.labels[tuple(places[wound > 0.5 + _CLEARLY].T)] = WOUND
            self._open_is_outside = bool((wound < _SURELY_NOT_WOUND).all())

    def _wind_around_shore(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the shore's voxels within the bounds [R, 3], and how often the surface winds around each, unsigned.

        One voxel of each block of 2 x 2 x 2 stands for the others. The band is two voxels thick at least, so no block
        reaches both sides of a sheet.
        """
        places, centres = self._flood.shore()
        within = self._within_bounds(centres)
        places, centres = places[within], centres[within]
        block = np.ravel_multi_index(tuple(places.T // 2), self._flood.labels.shape)
        _, first, block = np.unique(block, return_index=True, return_inverse=True)
        return places, np.abs(self._tree.winding_numbers(centres[first]))[block]

    def unsigned(self, points: np.ndarray) -> np.ndarray:
        """Return the distance [Q] of points [Q, 3] to the closest triangle, float32."""
        points = np.asarray(points, dtype=np.float32)
        return np.linalg.norm(points - self._tree.closest_points(points)[0], axis=1)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Return the signed distance [Q] of points [Q, 3], float32."""
        points = np.asarray(points, dtype=np.float32)
        closest, _ = self._tree.closest_points(points)
        distance = np.linalg.norm(points - closest, axis=1)
        label = self._flood.classify(points, closest)
        within = self._within_bounds(points)  # outside of them, no winding number counts
        inside = (label == ENCLOSED) | (label == WOUND) & within
        doubtful = (label == BAND) | (label == UNSURE)
        if not self._open_is_outside:
            doubtful |= np.isin(self._flood.lookup(points), (OUTSIDE, WOUND))
        doubtful &= within
        inside[doubtful] = self._is_wound(points[doubtful])
        return np.where(inside, -distance, distance)

    @property
    def sign_disagreement(self) -> float:
        """Share of the inside on which flood fill and winding number differ, over points drawn around the mesh."""
        return sum(self.inside_by_one_alone)

    @cached_property
    def inside_by_one_alone(self) -> tuple[float, float]:
        """Shares of the inside that the flood fill alone, and that the winding number alone, has inside.

        Where `sign_by_winding`, what the flood fill alone has is outside.
        """
        rng = np.random.default_rng(0)
        low, high = self._mesh.vertices.min(axis=0), self._mesh.vertices.max(axis=0)
        points = (low + rng.random((_NUM_PROBES, 3), dtype=np.float32) * (high - low)).astype(np.float32)
        label = self._flood.lookup(points, self._flood_labels)
        points, label = points[label != BAND], label[label != BAND]
        enclosed, wound = label == ENCLOSED, self._is_wound(points)
        total = max(int((enclosed | wound).sum()), 1)
        return float((enclosed & ~wound).sum() / total), float((wound & ~enclosed).sum() / total)

    def _within_bounds(self, points: np.ndarray) -> np.ndarray:
        low, high = self._mesh.vertices.min(axis=0), self._mesh.vertices.max(axis=0)
        return ((points > low) & (points < high)).all(axis=1)

    def _is_wound(self, points: np.ndarray) -> np.ndarray:
        return np.abs(self._tree.winding_numbers(points)) > 0.5
