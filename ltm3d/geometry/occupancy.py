"""Enclosed or not: a narrow band of voxels around the triangles, flooded from the border."""

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from ltm3d.compilation import compiled
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.raycasting import RayScene

NARROW_BAND, OUTSIDE, ENCLOSED, INSIDE_BY_WINDING, UNSURE = 0, 1, 2, 3, 4
_PADDING = 3  # free voxels around the mesh
_SPACING = 0.65  # of surface samples, in voxels; below 0.7 the band has no gap (see `_band`)
_STEPS = 48  # voxels that a ray may run to find a free one
_CHUNK = 32_768  # points that look around at once: bounds the memory


class FloodFill:
    """Labels of the voxels over a mesh's bounding box, and of any point.

    Voxels that the surface may touch form the narrow band. Free voxels joined to the border are outside, the other free
    voxels are enclosed. Gaps narrower than about two voxels count as closed. The winding of faces plays no part. A
    caller that knows winding numbers may write INSIDE_BY_WINDING or UNSURE to voxels of the exterior shell: points that
    see such a voxel take its label.

    Args:
        resolution: voxels along the longest side of the bounding box.
    """

    def __init__(self, mesh: Mesh, scene: RayScene, *, resolution: int) -> None:
        used = mesh.vertices[np.unique(mesh.faces)]
        low, high = used.min(axis=0), used.max(axis=0)
        self.voxel = float((high - low).max()) / resolution
        shape = np.ceil((high - low) / self.voxel).astype(np.int64) + 2 * _PADDING
        self.origin = ((low + high) / 2 - shape * self.voxel / 2).astype(np.float32)
        free = ~_band(shape, (mesh.triangles - self.origin) / np.float32(self.voxel))
        self._regions, _ = ndimage.label(free)
        self.labels = np.where(free, np.uint8(ENCLOSED), np.uint8(NARROW_BAND))
        self.labels[self._regions == self._regions[0, 0, 0]] = OUTSIDE  # the padding is one region
        self._is_exact = False
        self._scene = scene

    def region_centres(self) -> np.ndarray:
        """Return the centre of one voxel of each region of free ones, float32 [R, 3]; the surface cuts no region."""
        regions, first = np.unique(self._regions, return_index=True)
        places = np.stack(np.unravel_index(first[regions > 0], self._regions.shape), axis=1)
        return self.origin + (places.astype(np.float32) + np.float32(0.5)) * np.float32(self.voxel)

    def decide_regions(self, is_inside: np.ndarray) -> None:
        """Label each region anew, in the order of `region_centres`: ENCLOSED or OUTSIDE.

        A point of the band that sees regions of both kinds is UNSURE from now on: no vote is taken.
        """
        labels = np.where(is_inside, np.uint8(ENCLOSED), np.uint8(OUTSIDE))
        self.labels = np.concatenate([np.array([NARROW_BAND], np.uint8), labels])[self._regions]
        self._is_exact = True

    def exterior_shell(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the outside voxels that touch the band: places in `labels` [R, 3], and centres float32 [R, 3].

        What is seen first out of the band is one of them, or enclosed.
        """
        grown = self.labels == NARROW_BAND
        for axis in range(3):
            spread = grown.copy()
            np.moveaxis(spread, axis, 0)[1:] |= np.moveaxis(grown, axis, 0)[:-1]
            np.moveaxis(spread, axis, 0)[:-1] |= np.moveaxis(grown, axis, 0)[1:]
            grown = spread
        places = np.argwhere(grown & (self.labels == OUTSIDE))
        return places, self.origin + (places.astype(np.float32) + np.float32(0.5)) * np.float32(self.voxel)

    def lookup(self, points: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """Return the label uint8 of the voxel of each of the points [Q, 3], by other labels where given."""
        labels = self.labels if labels is None else labels
        cells = ((points - self.origin) * np.float32(1 / self.voxel)).astype(np.int32)  # below 0: padding all the same
        np.clip(cells, 0, np.array(labels.shape, np.int32) - 1, out=cells)  # the border is padding, outside
        _, rows, columns = labels.shape
        return labels.reshape(-1)[(cells[..., 0] * rows + cells[..., 1]) * columns + cells[..., 2]]

    def classify(self, points: np.ndarray, closest: np.ndarray) -> np.ndarray:
        """Label points [Q, 3]: a point of the band takes the label of a free voxel it sees.

        It looks away from the surface first, then all around. A point that sees no free voxel stays NARROW_BAND: it
        lies in a part, or in a gap, thinner than the band.

        Args:
            closest: surface point closest to each point [Q, 3].
        """
        labels = self.lookup(points)
        band = np.flatnonzero(labels == NARROW_BAND)
        away = points[band] - closest[band]
        clearance = np.linalg.norm(away, axis=1)
        away /= np.maximum(clearance, 1e-12)[:, None]
        labels[band] = self._look(points[band], away[:, None], clearance, stride=0.5, steps=8)[:, 0]
        unseen = labels[band] == NARROW_BAND
        band, clearance = band[unseen], clearance[unseen]
        for start in range(0, len(band), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            seen = self._look(points[band[chunk]], _DIRECTIONS[None], clearance[chunk], stride=1.0, steps=_STEPS)
            kinds = (OUTSIDE, ENCLOSED, INSIDE_BY_WINDING, UNSURE)
            outside, enclosed, wound, unsure = ((seen == kind).sum(axis=1) for kind in kinds)
            is_mixed = (unsure > 0) | (wound > 0) & (outside > 0) | self._is_exact & (enclosed > 0) & (outside > 0)
            open_vote = np.where(is_mixed, UNSURE, np.where(wound > 0, INSIDE_BY_WINDING, OUTSIDE))
            is_enclosed = enclosed > outside + wound + unsure
            vote = np.where(is_enclosed & ~(is_mixed & self._is_exact), ENCLOSED, open_vote)
            labels[band[chunk]] = np.where(seen.any(axis=1), vote, NARROW_BAND)
        return labels

    def _look(
        self, points: np.ndarray, directions: np.ndarray, clearance: np.ndarray, *, stride: float, steps: int
    ) -> np.ndarray:
        """Return the label of the first free voxel on each ray, NARROW_BAND where the surface hides it; uint8 [Q, D].

        Args:
            directions: unit length [Q or 1, D, 3].
            clearance: distance [Q] to the surface, up to which nothing can hide.
            stride: voxels between two places where a ray is looked at.
        """
        shape = (len(points), directions.shape[1])
        labels, reach = np.zeros(shape, np.uint8), np.zeros(shape, np.float32)
        _march(points, directions, self.labels, self.origin, np.float32(self.voxel), stride, steps, labels, reach)
        query, ray = np.nonzero(reach > clearance[:, None])
        ways = np.broadcast_to(directions, (*shape, 3))[query, ray] * reach[query, ray, None]
        labels[query, ray] *= ~self._scene.is_blocked(points[query], ways)
        return labels


@compiled()
def _march(
    points: np.ndarray,
    directions: np.ndarray,
    grid: np.ndarray,
    origin: np.ndarray,
    voxel: float,
    stride: float,
    steps: int,
    labels: np.ndarray,
    reach: np.ndarray,
) -> None:
    """Write the label of the first free voxel on each ray [Q, D] and the way to it; see `FloodFill._look`."""
    for query in range(len(points)):
        x = (points[query, 0] - origin[0]) / voxel
        y = (points[query, 1] - origin[1]) / voxel
        z = (points[query, 2] - origin[2]) / voxel
        row = query if len(directions) > 1 else 0
        for ray in range(directions.shape[1]):
            dx, dy, dz = directions[row, ray, 0], directions[row, ray, 1], directions[row, ray, 2]
            for step in range(1, steps + 1):
                way = step * stride
                i = min(max(int(x + way * dx), 0), grid.shape[0] - 1)
                j = min(max(int(y + way * dy), 0), grid.shape[1] - 1)
                k = min(max(int(z + way * dz), 0), grid.shape[2] - 1)
                if grid[i, j, k]:
                    labels[query, ray], reach[query, ray] = grid[i, j, k], way * voxel
                    break


def _band(shape: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Return the voxels bool [X, Y, Z] that form the band around triangles [F, 3, 3] in voxel units.

    Each triangle is sampled so that no point of it is farther than half a voxel from a sample, and a sample takes the
    eight voxels whose centres surround it: of two face neighbours with the surface between their centres, one is
    taken at least, so the flood cannot pass.
    """
    corners = np.zeros(shape, dtype=bool)  # the lowest of each sample's eight voxels
    _, rows, columns = corners.shape
    for part in np.array_split(triangles, len(triangles) // 10_000 + 1):
        for samples in _sample_rows(part):
            cell = np.floor(samples - 0.5).astype(np.int32)
            corners.reshape(-1)[(cell[:, 0] * rows + cell[:, 1]) * columns + cell[:, 2]] = True
    for axis in range(3):
        band = corners.copy()
        np.moveaxis(band, axis, 0)[1:] |= np.moveaxis(corners, axis, 0)[:-1]
        corners = band
    return corners


def _sample_rows(triangles: np.ndarray, limit: int = 2_000_000) -> Iterator[np.ndarray]:
    """Yield samples [S, 3] of triangles [F, 3, 3], on rows parallel to the longest edge, `_SPACING` apart."""
    edges = np.roll(triangles, -1, axis=1) - triangles
    length = np.linalg.norm(edges, axis=2)
    longest = length.argmax(axis=1)
    pick = np.arange(len(triangles))
    a = triangles[pick, longest]
    along = edges[pick, longest]
    to_apex = triangles[pick, (longest + 2) % 3] - a
    base = np.maximum(length[pick, longest], 1e-12)
    height = np.linalg.norm(np.cross(along, to_apex), axis=1) / base
    num_rows = np.ceil(height / _SPACING).astype(np.int64) + 1
    triangle = np.repeat(pick, num_rows)
    first = np.cumsum(num_rows) - num_rows
    share = (np.arange(len(triangle)) - first[triangle]) / np.maximum(num_rows[triangle] - 1, 1)  # 0 base, 1 apex
    share = share.astype(np.float32)
    counts = np.ceil(base[triangle] * (1 - share) / _SPACING).astype(np.int64) + 1
    start = a[triangle] + share[:, None] * to_apex[triangle]
    step = along[triangle] * ((1 - share) / np.maximum(counts - 1, 1))[:, None]
    for chunk in np.array_split(np.arange(len(counts)), int(counts.sum() // limit) + 1):
        row = np.repeat(chunk, counts[chunk])
        before = np.cumsum(counts[chunk]) - counts[chunk]
        place = np.arange(len(row)) - np.repeat(before, counts[chunk])
        yield start[row] + place[:, None].astype(np.float32) * step[row]


def _fan() -> np.ndarray:
    grid = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    grid = grid[np.any(grid != 0, axis=1)] + np.array([0.013, 0.029, -0.021])  # off the axes: few edge-on hits
    return (grid / np.linalg.norm(grid, axis=1, keepdims=True)).astype(np.float32)


_DIRECTIONS = _fan()  # [26, 3]
