"""Extract a surface from a distance field with few queries: coarse grid, then only cells near the surface.

Any point of a cell lies within half the cell's diagonal of one of its corners. So a cell whose corners are
all farther than that from the surface holds none of it, and is never refined.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

from ltm3d.geometry.isosurface import marching_cubes
from ltm3d.geometry.mesh import Mesh

# Q queries; X Y Z cells or corners along each axis (a grid of R cells has R + 1 corners)

FieldFunction = Callable[[Float[np.ndarray, "Q 3"]], Float[np.ndarray, " Q"]]
BAND_MARGIN = 1.25  # a learned field is no exact distance: take cells a little farther off


def extract_mesh(field: FieldFunction, *, resolution: int, coarse_resolution: int = 32) -> Mesh:
    """Extract the zero level set of a distance field over [-1, 1]^3.

    Raises:
        AssetError: `empty_decode`, the field has no zero crossing.
    """
    return marching_cubes(refine_field(field, resolution=resolution, coarse_resolution=coarse_resolution))


def refine_field(field: FieldFunction, *, resolution: int, coarse_resolution: int = 32) -> Float[np.ndarray, "X Y Z"]:
    """Evaluate a field on a grid, exactly near its surface and by interpolation of the coarser grid elsewhere."""
    size = resolution
    while size > coarse_resolution and size % 2 == 0:
        size //= 2
    values = field(_corners(np.ones((size + 1,) * 3, dtype=bool), size)).reshape((size + 1,) * 3)
    while size < resolution:
        active = _near_surface(values, half_diagonal=np.sqrt(3.0) / size)
        size *= 2
        values = _upsample(values)
        wanted = _corners_of_children(active)
        values[wanted] = field(_corners(wanted, size))
    return values


def _near_surface(values: np.ndarray, *, half_diagonal: float) -> Bool[np.ndarray, "X Y Z"]:
    near = np.abs(values) <= BAND_MARGIN * half_diagonal
    inside = values < 0
    corners = [
        np.s_[x : x - 1 or None, y : y - 1 or None, z : z - 1 or None] for x in (0, 1) for y in (0, 1) for z in (0, 1)
    ]
    any_near = np.logical_or.reduce([near[corner] for corner in corners])
    any_inside = np.logical_or.reduce([inside[corner] for corner in corners])
    all_inside = np.logical_and.reduce([inside[corner] for corner in corners])
    return any_near | (any_inside & ~all_inside)


def _upsample(values: np.ndarray) -> np.ndarray:
    """Interpolate [R+1]^3 corners to [2R+1]^3."""
    for axis in range(3):
        values = np.moveaxis(values, axis, 0)
        finer = np.empty((2 * len(values) - 1, *values.shape[1:]), dtype=values.dtype)
        finer[::2] = values
        finer[1::2] = 0.5 * (values[:-1] + values[1:])
        values = np.moveaxis(finer, 0, axis)
    return np.ascontiguousarray(values)


def _corners_of_children(active: np.ndarray) -> Bool[np.ndarray, "X Y Z"]:
    from scipy import ndimage

    finer = np.zeros(tuple(2 * n + 1 for n in active.shape), dtype=bool)
    finer[1::2, 1::2, 1::2] = active  # a cell's centre corner; its 26 neighbours are the children's other corners
    return ndimage.binary_dilation(finer, structure=np.ones((3, 3, 3), dtype=bool))


def _corners(wanted: np.ndarray, size: int) -> Float[np.ndarray, "Q 3"]:
    return (np.argwhere(wanted) * (2.0 / size) - 1.0).astype(np.float32)
