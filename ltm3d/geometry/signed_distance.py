"""Signed distance to any mesh, whatever its winding, holes and overlaps.

Size: the true distance to the original triangles. Sign, by the generalised winding number w (Jacobson et al. 2013):
a closed surface whose parts are oriented alike has its inside where |w| > 0.5. Any other surface has its inside where
the flood fill finds an enclosed space, or where |w| > 0.5.
"""

from functools import cached_property

import numpy as np

from ltm3d.geometry.mesh import Mesh, doubled_share, has_no_boundary
from ltm3d.geometry.occupancy import ENCLOSED, INSIDE_BY_WINDING, NARROW_BAND, OUTSIDE, UNSURE, FloodFill
from ltm3d.geometry.raycasting import RayScene
from ltm3d.geometry.triangle_tree import TriangleTree

FLOOD_RESOLUTION = 96
_NUM_PROBES = 4096
_CLEARLY = 0.3  # the winding number of a voxel is a clear answer for the points that see it at this distance from 0.5
_SURELY_OUTSIDE = 0.4  # winding number at the exterior shell, so that no point beyond reaches 0.5


def is_closed(mesh: Mesh) -> bool:
    """Say whether winding numbers are whole and mean something: most faces are no sheets with a second side."""
    return has_no_boundary(mesh) and doubled_share(mesh) < 0.5


class SignedDistance:
    """A mesh ready for distance queries; negative inside. Everything is deterministic and runs on one thread.

    A winding number is harmonic off the surface, so over the open outside it is largest at the exterior shell: the
    outside voxels that touch the narrow band. It is computed for each voxel of the shell. A point of the narrow band
    takes the label of the shell's voxels that it sees. The winding number is computed for a point itself where the
    point sees no clear label, and for points of the open outside where the shell does not rule out a large value.

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
            places, wound = self._wind_around_exterior_shell()
            self._flood.labels[tuple(places[wound > 0.5 - _CLEARLY].T)] = UNSURE
            self._flood.labels[tuple(places[wound > 0.5 + _CLEARLY].T)] = INSIDE_BY_WINDING
            self._open_is_outside = bool((wound < _SURELY_OUTSIDE).all())

    def _wind_around_exterior_shell(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the exterior shell's voxels within the bounds [R, 3], and the absolute winding number at each [R].

        One voxel of each block of 2 x 2 x 2 stands for the others. The band is two voxels thick at least, so no block
        reaches both sides of a sheet.
        """
        places, centres = self._flood.exterior_shell()
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
        inside = (label == ENCLOSED) | (label == INSIDE_BY_WINDING) & within
        doubtful = (label == NARROW_BAND) | (label == UNSURE)
        if not self._open_is_outside:
            doubtful |= np.isin(self._flood.lookup(points), (OUTSIDE, INSIDE_BY_WINDING))
        doubtful &= within
        inside[doubtful] = self._is_inside_by_winding(points[doubtful])
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
        points, label = points[label != NARROW_BAND], label[label != NARROW_BAND]
        enclosed, wound = label == ENCLOSED, self._is_inside_by_winding(points)
        total = max(int((enclosed | wound).sum()), 1)
        return float((enclosed & ~wound).sum() / total), float((wound & ~enclosed).sum() / total)

    def _within_bounds(self, points: np.ndarray) -> np.ndarray:
        low, high = self._mesh.vertices.min(axis=0), self._mesh.vertices.max(axis=0)
        return ((points > low) & (points < high)).all(axis=1)

    def _is_inside_by_winding(self, points: np.ndarray) -> np.ndarray:
        return np.abs(self._tree.winding_numbers(points)) > 0.5
