"""Extract a surface from a distance field with few queries: coarse grid, then only cells near the surface.

A cell is refined where its corners differ in sign, or where their mean |distance| is small enough for a surface to pass
unseen between them. For a point p of a cell of side h, corner c_i has |d_i| ≤ |p − c_i| if p lies on the surface and d
changes no faster than space does; so the mean of |d_i| is at most the mean distance to the corners, which is largest at
a corner of the cell:

    mean_i |d_i| ≤ (3 + 3 √2 + √3) / 8 · h = 1.122 h

Most of the cells in that band lie beside a surface, not around one: no corner is very near, and the field rises
through the cell by nearly its whole side, as beside a plane. Around a sheet that no corner sees the inside of, it
falls and rises again. So cells whose mean slope is steep and whose corners are all farther than a third of a side are
left out; tests look for thin plates at any slant.

Of a cell that is refined, only those of its eight parts are asked for that may be crossed. Where the slope is steep,
the field rises by nearly the whole way through the cell and so has room for one sheet only: the plane fitted to the
corners, v(p) = m + g · p with residuals e_i, tells which parts it can cross. A part of side h/2 around c is left out
where

    |v(c)| > (|g_x| + |g_y| + |g_z|) h / 4 + max_i |e_i| + h / 8

Everywhere else, at edges and thin parts, all eight are asked for.

Only cells and their corners are kept, sorted by a running number, never a grid, until marching cubes asks for one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ltm3d.errors import AssetError, ConfigError
from ltm3d.geometry.isosurface import marching_cubes
from ltm3d.geometry.mesh import Mesh

# Q queries, C cells, K corners; a grid of R cells has R + 1 corners along each axis

FieldFunction = Callable[[Float[np.ndarray, "Q 3"]], Float[np.ndarray, " Q"]]
RESOLUTIONS = (8, 1024)  # cells an axis; at the most, marching cubes asks for 5.4 GB
MAX_COARSE = 64  # cells an axis of the grid that is asked for whole
BAND = (3 + 3 * 2**0.5 + 3**0.5) / 8  # sides of a cell
BAND_MARGIN = 1.15  # a learned field is no exact distance: take cells a little farther off
STEEP, CLEAR = 0.75, 0.3  # slope, and sides of a cell: beside a surface
FIT_STEEP, FIT_MARGIN = 0.9, 0.125  # slope, and sides of a cell: the fitted plane tells where the surface is
_STEPS = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), axis=-1).reshape(8, 3)  # corners of a cell


@dataclass(frozen=True, eq=False)
class NearField:
    """A field at the corners of the cells of a grid that may hold its surface.

    Attributes:
        size: cells along an axis of [-1, 1]^3.
        cells: lower corners of the cells, int32 [C, 3].
        corners: running numbers of all their corners, (x (R + 1) + y) (R + 1) + z, rising, int64 [K].
        values: the field there, float32 [K].
        num_queries: how often the field was asked, coarser grids included.
        low, high: least and largest value of all that were asked.
    """

    size: int
    cells: Int[np.ndarray, "C 3"]
    corners: Int[np.ndarray, " K"]
    values: Float[np.ndarray, " K"]
    num_queries: int
    low: float
    high: float

    def to_grid(self) -> tuple[Float[np.ndarray, "R R R"], Bool[np.ndarray, "R R R"]]:
        """Return the values on the whole grid, 1 where they are not known, and the mask of the cells' upper corners."""
        shape = (self.size + 1,) * 3
        grid, mask = np.ones(shape, np.float32), np.zeros(shape, bool)
        grid.reshape(-1)[self.corners] = self.values
        mask.reshape(-1)[_numbers(self.cells + 1, self.size)] = True
        return grid, mask


def check_resolution(resolution: int) -> None:
    """Refuse a grid that is too large, or that does not halve down to a coarse one and so would be asked for whole.

    Raises:
        ConfigError: with the nearest grids that can be extracted.
    """
    least, most = RESOLUTIONS
    if not least <= resolution <= most:
        raise ConfigError(f"resolution is {resolution}; use {least} to {most:,}")
    step = 1
    while resolution > MAX_COARSE * step:
        step *= 2
    below = resolution // step * step
    if below != resolution:
        raise ConfigError(
            f"resolution is {resolution}, which does not halve down to {MAX_COARSE} cells or fewer, so that the whole "
            f"grid would be asked for; use {below} or {below + step}"
        )


def extract_mesh(field: FieldFunction, *, resolution: int, coarse_resolution: int = 32) -> Mesh:
    """Extract the zero level set of a distance field over [-1, 1]^3.

    Raises:
        AssetError: `empty_decode`, the field has no zero crossing, with its range; `non_finite`.
    """
    near = refine_field(field, resolution=resolution, coarse_resolution=coarse_resolution)
    if not near.low < 0 < near.high:
        raise AssetError("empty_decode", f"the field lies in [{near.low:.4g}, {near.high:.4g}] and never crosses 0")
    grid, mask = near.to_grid()
    return marching_cubes(grid, mask=mask)


def refine_field(field: FieldFunction, *, resolution: int, coarse_resolution: int = 32) -> NearField:
    """Evaluate a field on a coarse grid, then on ever finer ones in the cells near its surface only.

    Raises:
        AssetError: `non_finite`.
    """
    size = resolution
    while size > coarse_resolution and size % 2 == 0:
        size //= 2
    cells = _all_cells(size)
    corners = np.arange((size + 1) ** 3)
    values = _ask(field, corners, size)
    num_queries, low, high = len(corners), float(values.min()), float(values.max())
    cells = _near_surface(cells, corners, values, size)
    while size < resolution:
        coarse_corners, coarse_values = _doubled(corners, size), values
        cells = _parts(cells, corners, values, size)
        size *= 2
        corners = np.unique(_numbers(cells, size)[:, None] + _offsets(size))
        values = np.empty(len(corners), np.float32)
        known, place = _look_up(corners, coarse_corners)
        values[known] = coarse_values[place[known]]
        if not known.all():
            asked = _ask(field, corners[~known], size)
            values[~known] = asked
            num_queries += len(asked)
            low, high = min(low, float(asked.min())), max(high, float(asked.max()))
        cells = _near_surface(cells, corners, values, size)
    return NearField(size, cells, corners, values, num_queries, low, high)


def _all_cells(size: int) -> Int[np.ndarray, "C 3"]:
    axis = np.arange(size, dtype=np.int32)
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)


def _near_surface(cells: np.ndarray, corners: np.ndarray, values: np.ndarray, size: int) -> Int[np.ndarray, "C 3"]:
    """Keep the cells that may hold the surface."""
    if not len(cells):
        return cells
    side, first = 2 / size, _numbers(cells, size)
    total, num_inside = np.zeros(len(cells), np.float32), np.zeros(len(cells), np.int8)
    least, rise = np.full(len(cells), np.inf, np.float32), np.zeros((len(cells), 3), np.float32)
    for step, offset in zip(_STEPS, _offsets(size), strict=True):
        at = values[np.searchsorted(corners, first + offset)]
        total += np.abs(at)
        num_inside += at < 0
        np.minimum(least, np.abs(at), out=least)
        rise += at[:, None] * (2 * step - 1).astype(np.float32)
    is_near = total / 8 <= BAND_MARGIN * BAND * side
    is_beside = (np.linalg.norm(rise, axis=1) / (4 * side) > STEEP) & (least > CLEAR * side)
    return cells[(is_near & ~is_beside) | ((num_inside > 0) & (num_inside < 8))]


def _parts(cells: np.ndarray, corners: np.ndarray, values: np.ndarray, size: int) -> Int[np.ndarray, "C 3"]:
    """Cut cells in eight, and keep the parts that may be crossed; cells of the grid of twice the size."""
    if not len(cells):
        return cells
    side, first = np.float32(2 / size), _numbers(cells, size)
    mean, rise = np.zeros(len(cells), np.float32), np.zeros((len(cells), 3), np.float32)
    for step, offset in zip(_STEPS, _offsets(size), strict=True):
        at = values[np.searchsorted(corners, first + offset)]
        mean += at / 8
        rise += at[:, None] * ((2 * step - 1) / 4).astype(np.float32)  # g h, of the plane fitted to the corners
    off = np.zeros(len(cells), np.float32)
    for step, offset in zip(_STEPS, _offsets(size), strict=True):
        at = values[np.searchsorted(corners, first + offset)]
        np.maximum(off, np.abs(at - mean - rise @ (step - 0.5).astype(np.float32)), out=off)
    reach = np.abs(rise).sum(axis=1) / 4 + off + np.float32(FIT_MARGIN) * side
    reach[np.linalg.norm(rise, axis=1) < FIT_STEEP * side] = np.inf
    parts = []
    for step in _STEPS:
        crossed = np.abs(mean + rise @ ((step - 0.5) / 2).astype(np.float32)) <= reach
        parts.append(2 * cells[crossed] + step.astype(np.int32))
    return np.concatenate(parts)


def _ask(field: FieldFunction, corners: np.ndarray, size: int) -> Float[np.ndarray, " K"]:
    span = size + 1
    places = np.stack([corners // (span * span), corners // span % span, corners % span], axis=1)
    values = np.asarray(field((places * (2.0 / size) - 1.0).astype(np.float32)), np.float32)
    if not np.isfinite(values).all():
        raise AssetError("non_finite", "the field has NaN or infinite values")
    return values


def _numbers(places: np.ndarray, size: int) -> Int[np.ndarray, " K"]:
    x, y, z = places.astype(np.int64).T
    return (x * (size + 1) + y) * (size + 1) + z


def _offsets(size: int) -> Int[np.ndarray, "8"]:
    """Return what the running numbers of a cell's corners have more than that of its lower one."""
    return _numbers(_STEPS, size)


def _doubled(corners: np.ndarray, size: int) -> Int[np.ndarray, " K"]:
    """Return the running numbers of the same corners on the grid of twice the cells; they rise, too."""
    span = size + 1
    places = np.stack([corners // (span * span), corners // span % span, corners % span], axis=1)
    return _numbers(2 * places, 2 * size)


def _look_up(wanted: np.ndarray, known: np.ndarray) -> tuple[Bool[np.ndarray, " K"], Int[np.ndarray, " K"]]:
    """Say which of the wanted numbers are among the known ones, both rising, and where."""
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return known[place] == wanted, place
