"""The voxel-anchored decoder of Gaussians: which voxels of a grid hold some, and these (cf. TRELLIS, arXiv 2412.01506).

    tokens' states ─► logit of each voxel's centre ─► the V most likely voxels ─► K Gaussians within each

A Gaussian's centre is c + h · tanh(row) for a voxel's centre c and half its side h: places need not be learned but for
the rest within a voxel. In training the voxels are those of the fitted Gaussians; a logit below 0 switches a decoded
voxel's Gaussians off.
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ltm3d.nn.attention import distance_bias
from ltm3d.nn.embeddings import PointEmbedding
from ltm3d.nn.transformer import CrossBlock
from ltm3d.splatting.record import MEANS, NUM_PARAMETERS
from ltm3d.tokenizers.field_decoder import FieldDecoder

# B batch, L tokens, H width of a state, G cells an axis, N = G^3 voxels, V chosen voxels, K Gaussians of each

NUM_FREQUENCIES = 6
REACH = 2  # cells, around an occupied voxel


class VoxelDecoder(nn.Module):
    """Occupancy of a grid's voxels, and the Gaussians of some of them.

    Args:
        grid: cells along an axis of [-1, 1]^3.
        max_voxels: of a shape, V.
    """

    def __init__(self, width: int, *, num_heads: int, grid: int, max_voxels: int, gaussians_a_voxel: int) -> None:
        super().__init__()
        self.grid, self.max_voxels, self.gaussians_a_voxel = grid, max_voxels, gaussians_a_voxel
        self.occupancy = FieldDecoder(width, num_frequencies=NUM_FREQUENCIES)
        self.place_embedding = PointEmbedding(width, num_frequencies=NUM_FREQUENCIES)
        self.states_to_voxels = CrossBlock(width, num_heads=num_heads, context_width=width)
        self.log_sharpness = nn.Parameter(torch.linspace(math.log(2.0), math.log(32.0), num_heads))
        self.to_rows = nn.Linear(width, gaussians_a_voxel * NUM_PARAMETERS)

    def logits(
        self, states: Float[Tensor, "B L H"], anchors: Float[Tensor, "L 3"], voxels: Int[Tensor, "*own V"]
    ) -> Float[Tensor, "B V"]:
        """Say how likely voxels hold Gaussians."""
        places = voxel_centers(voxels, self.grid).expand(len(states), -1, -1)
        return self.occupancy(places, states, anchors)

    def choose(
        self, states: Float[Tensor, "B L H"], anchors: Float[Tensor, "L 3"]
    ) -> tuple[Int[Tensor, "B V"], Bool[Tensor, "B V"]]:
        """Return the most likely voxels, and which of them are more likely than not."""
        everywhere = torch.arange(self.grid**3, device=states.device)
        logits = self.logits(states, anchors, everywhere)
        best = logits.topk(min(self.max_voxels, self.grid**3), dim=1)
        return best.indices, best.values > 0

    def rows(
        self, states: Float[Tensor, "B L H"], anchors: Float[Tensor, "L 3"], voxels: Int[Tensor, "B V"]
    ) -> Float[Tensor, "B G 14"]:
        """Return the Gaussians of some voxels as the network's rows, K of each voxel."""
        centers = voxel_centers(voxels, self.grid)
        bias = distance_bias(centers, anchors.expand(len(states), -1, -1), self.log_sharpness.exp())
        rows = self.to_rows(self.states_to_voxels(self.place_embedding(centers), states, bias=bias))
        rows = rows.unflatten(-1, (self.gaussians_a_voxel, NUM_PARAMETERS))
        means = centers[:, :, None] + torch.tanh(rows[..., MEANS]) / self.grid
        return torch.cat([means, rows[..., MEANS.stop :]], dim=-1).flatten(1, 2)


def voxel_centers(voxels: Int[Tensor, "*any"], grid: int) -> Float[Tensor, "*any 3"]:
    """Return the centres of voxels."""
    return (2 * cells_of(voxels, grid) + 1) / grid - 1


def cells_of(voxels: Int[Tensor, "*any"], grid: int) -> Int[Tensor, "*any 3"]:
    """Return the cells along each axis of voxels that are numbered x first, then y, then z."""
    return torch.stack([voxels % grid, voxels // grid % grid, voxels // grid**2], dim=-1)


def numbers_of(cells: Int[Tensor, "*any 3"], grid: int) -> Int[Tensor, "*any"]:
    """Return the voxels' numbers; the nearest of the grid for a cell outside."""
    x, y, z = cells.clamp(0, grid - 1).unbind(-1)
    return x + grid * (y + grid * z)


def voxels_of(points: Float[Tensor, "B P 3"], grid: int) -> Int[Tensor, "B P"]:
    """Return the number of the voxel that each point lies in; the nearest, outside [-1, 1]^3."""
    return numbers_of(((points + 1) * (grid / 2)).floor().long(), grid)


def occupied_voxels(
    points: Float[Tensor, "B P 3"], *, grid: int, max_voxels: int
) -> tuple[Int[Tensor, "B V"], Bool[Tensor, "B V"], Float[Tensor, "B N"]]:
    """Return the voxels that points lie in, which of these count, and the occupancy of the whole grid.

    The fullest come first; where they are fewer than V, the first one fills the rest, which do not count.
    """
    counts = torch.zeros(len(points), grid**3, device=points.device)
    counts.scatter_add_(1, voxels_of(points, grid), torch.ones_like(points[..., 0]))
    best = counts.topk(min(max_voxels, grid**3), dim=1)
    is_occupied = best.values > 0
    return torch.where(is_occupied, best.indices, best.indices[:, :1]), is_occupied, (counts > 0).float()


def draw_voxels(
    occupied: Int[Tensor, "B V"], near: Float[Tensor, "B V 3"], anywhere: Float[Tensor, "B M"], *, grid: int
) -> Int[Tensor, "B Q"]:
    """Return voxels to ask for their occupancy: one near each occupied one, and others anywhere.

    Args:
        near, anywhere: uniform in [0, 1).
    """
    beside = numbers_of(cells_of(occupied, grid) + (near * (2 * REACH + 1)).long() - REACH, grid)
    return torch.cat([beside, (anywhere * grid**3).long()], dim=1)
