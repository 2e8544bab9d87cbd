"""Fields on grids, and their zero surfaces."""

import numpy as np

from ltm3d.errors import AssetError
from ltm3d.geometry.mesh import Mesh

BOUND = 1.0  # a grid spans [-BOUND, BOUND]^3, corners included


def grid_axis(resolution: int) -> np.ndarray:
    """Return the grid's coordinates along one axis, float32 [R]."""
    if resolution < 2:
        raise ValueError(f"resolution {resolution} is out of range; a grid has at least 2 points an axis")
    return np.linspace(-BOUND, BOUND, resolution, dtype=np.float32)


def grid_queries(resolution: int) -> np.ndarray:
    """Return all grid points, float32 [R^3, 3], x slowest, so that `values.reshape(R, R, R)` is indexed [x, y, z]."""
    axis = grid_axis(resolution)
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)


def marching_cubes(values: np.ndarray, level: float = 0.0, *, mask: np.ndarray | None = None) -> Mesh:
    """Extract the surface of a field [R, R, R] over [-1, 1]^3, faces outward where lower values are inside.

    Args:
        mask: bool [R, R, R], True at the upper corner of the cells to look at; all where it is None.

    Raises:
        AssetError: `empty_decode` where the field does not cross the level, `non_finite` for NaN or infinity.
    """
    from skimage import measure

    if values.ndim != 3 or len(set(values.shape)) != 1:
        raise ValueError(f"values have the shape {values.shape}; expected [R, R, R]")
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(low) or not np.isfinite(high):
        raise AssetError("non_finite", "the field has NaN or infinite values")
    if not low < level < high:
        raise AssetError("empty_decode", f"the field lies in [{low:.4g}, {high:.4g}] and never crosses {level:g}")
    field = np.ascontiguousarray(values, dtype=np.float32)
    step = 2 * BOUND / (len(field) - 1)
    vertices, faces, _, _ = measure.marching_cubes(
        field, level, gradient_direction="descent", allow_degenerate=False, mask=mask
    )
    if not len(faces):
        raise AssetError("empty_decode", f"no faces at level {level:g} in [{low:.4g}, {high:.4g}]")
    return Mesh(vertices=vertices * step - BOUND, faces=faces)
