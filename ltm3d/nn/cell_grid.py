"""A cube of cells over [-1, 1]^3: points into cells, cells into patches, and values at cells as a smooth field.

Cell (i, j, k) of R an axis has its centre at (2 i + 1) / R - 1 along x, and so on; a patch is a cube of side P of them.
Cells are named by patch, then by place in it, so that what belongs to one token lies together.

A field is read off its values by the tensor product of

    φ = [1, 2, 1]/4 * hat

that is: values are coefficients, blurred by [1, 2, 1]/4 along each axis and then read trilinearly. Since φ's shifts add
up to one and its first moment is 0, a field that is linear in space is read off its own samples exactly (where the blur
does not reach over the frame's faces; there the last value goes on).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

# B batch, S points, Q queries, F features, L patches, V cells of a patch; R cells, P cells of a patch, A points an axis


def cell_of(points: Float[Tensor, "*B 3"], *, resolution: int) -> tuple[Int[Tensor, "*B 3"], Float[Tensor, "*B 3"]]:
    """Return the cell of each point, outside the nearest one, and the place in it, [-1, 1] from face to face."""
    place = (points + 1) * (0.5 * resolution)
    cell = place.floor().clamp(0, resolution - 1)
    return cell.long(), (2 * (place - cell) - 1).clamp(-1, 1)


def average_in_cells(
    points: Float[Tensor, "B S 3"], features: Float[Tensor, "B S F"], *, resolution: int, patch: int
) -> Float[Tensor, "B L G"]:
    """Return for each patch, of each cell: whether a point lies in it, the points' mean place in it, mean features.

    G = P³ (1 + 3 + F), cell by cell; 0 in a cell without points.
    """
    cell, place = cell_of(points, resolution=resolution)
    count_patches = resolution // patch
    outer, inner = cell // patch, cell % patch
    of_patch = (outer[..., 0] * count_patches + outer[..., 1]) * count_patches + outer[..., 2]
    index = of_patch * patch**3 + (inner[..., 0] * patch + inner[..., 1]) * patch + inner[..., 2]
    values = torch.cat([torch.ones_like(place[..., :1]), place, features], dim=-1)
    sums = values.new_zeros(len(points), resolution**3, values.shape[-1])
    sums.scatter_add_(1, index[..., None].expand(-1, -1, values.shape[-1]), values)
    count = sums[..., :1].clone()
    sums /= count.clamp(min=1)
    return sums.view(len(points), count_patches**3, -1)


def join_patches(values: Float[Tensor, "B L V"], *, patch: int, overlap: int = 0) -> Float[Tensor, "B R R R"]:
    """Return the cube of cells that patches make up, x slowest, as `average_in_cells` takes it apart.

    Args:
        overlap: cells by which a patch's values reach into its neighbours, V = (P + 2 overlap)³; what falls on one cell
            is added up, what falls out of the frame is dropped.
    """
    count, side = round(values.shape[1] ** (1 / 3)), patch + 2 * overlap
    cube = values.view(-1, count, count, count, side, side, side).permute(0, 1, 4, 2, 5, 3, 6)
    for axis in (1, 2, 3):  # of [.., patch, cell in it, ..] make [.., cell, ..]
        patches = cube.movedim((axis, axis + 1), (1, 2))
        own = patches[:, :, overlap : overlap + patch]
        if overlap:
            own = own.clone()
            own[:, 1:, :overlap] += patches[:, :-1, overlap + patch :]
            own[:, :-1, patch - overlap :] += patches[:, 1:, :overlap]
        cube = own.flatten(1, 2).movedim(1, axis)
    return cube


def blur(values: Float[Tensor, "B R R R"]) -> Float[Tensor, "B R R R"]:
    """Blur by [1, 2, 1]/4 along each axis; beyond the faces the last value goes on."""
    for axis in (1, 2, 3):
        size = values.shape[axis]
        before = torch.cat([values.narrow(axis, 0, 1), values.narrow(axis, 0, size - 1)], dim=axis)
        after = torch.cat([values.narrow(axis, 1, size - 1), values.narrow(axis, size - 1, 1)], dim=axis)
        values = 0.5 * values + 0.25 * (before + after)
    return values


def read_field(blurred: Float[Tensor, "B R R R"], queries: Float[Tensor, "B Q 3"]) -> Float[Tensor, "B Q"]:
    """Read blurred values trilinearly; beyond the outermost centres they go on."""
    at = queries[:, :, None, None].flip(-1)  # grid_sample names the last axis first
    return F.grid_sample(blurred[:, None], at, align_corners=False, padding_mode="border")[:, 0, :, 0, 0]


def read_on_grid(blurred: Float[Tensor, "R R R"], axis: Float[Tensor, " A"]) -> Float[Tensor, "A A A"]:
    """Return what `read_field` gives at all points of a grid with the coordinates `axis` along x, y and z.

    Trilinear reading is a product of three, so that a grid of A³ costs some R A³ multiplications and no look-up.
    """
    size = len(blurred)
    place = ((axis + 1) * (0.5 * size) - 0.5).clamp(0, size - 1)
    low = place.floor().clamp(max=size - 2)
    row, share = torch.arange(len(axis), device=axis.device), place - low
    weights = blurred.new_zeros(len(axis), size)
    weights[row, low.long()] = 1 - share
    weights[row, low.long() + 1] = share
    values = torch.einsum("ai,ijk->ajk", weights, blurred)
    values = torch.einsum("bj,ajk->abk", weights, values)
    return torch.einsum("ck,abk->abc", weights, values)
