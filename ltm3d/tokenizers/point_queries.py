"""Queries from the shape itself: farthest points of its surface, in an order that only their places decide.

Farthest point sampling begins at the point that is farthest from the middle of all and takes, one after the other, the
point that is farthest from those taken. The points are sorted by their coordinates first, and of equal distances the
first one counts; so the same set of points gives the same queries in whatever order it comes, without a tie. The
queries then stand along the Z-order curve through [-1, 1]^3 (Morton 1966): token i is a share i / L of the way along
it, roughly the same place in similar shapes. That is less than an identity: the tokens' audit tells how much.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

# B batch, S points, F features, L queries

BITS = 21  # an axis; 63 in all, and cells of 1e-6


def farthest_queries(points: Float[Tensor, "B S F"], count: int) -> Float[Tensor, "B L F"]:
    """Choose `count` of the points [x, y, z, features…], which must be at least as many, in canonical order."""
    assert count <= points.shape[1], f"{count} queries are asked for of {points.shape[1]} points"
    for column in reversed(range(points.shape[2])):
        points = _gather(points, points[..., column].argsort(dim=1, stable=True))
    chosen = _gather(points, farthest_points(points[..., :3].float(), count).sort(dim=1).values)
    return _gather(chosen, curve_codes(chosen[..., :3]).argsort(dim=1, stable=True))


def farthest_points(positions: Float[Tensor, "B S 3"], count: int) -> Int[Tensor, "B L"]:
    """Return indices of points, each the farthest from those before it, the first from the middle of all."""
    middle = (positions.amin(dim=1, keepdim=True) + positions.amax(dim=1, keepdim=True)) / 2
    index = (positions - middle).square().sum(dim=2).argmax(dim=1)
    taken, distance = [index], torch.full_like(positions[..., 0], torch.inf)
    for _ in range(count - 1):
        last = positions.gather(1, index[:, None, None].expand(-1, 1, 3))
        distance = torch.minimum(distance, (positions - last).square().sum(dim=2))
        index = distance.argmax(dim=1)
        taken.append(index)
    return torch.stack(taken, dim=1)


def curve_codes(positions: Float[Tensor, "*B 3"]) -> Int[Tensor, "*B"]:
    """Return how far along the Z-order curve through [-1, 1]^3 points lie: the bits of z, y and x in turn."""
    cells = ((positions.double() + 1) * 2 ** (BITS - 1)).long().clamp(0, 2**BITS - 1)
    code = torch.zeros_like(cells[..., 0])
    for bit in range(BITS):
        for axis in range(3):
            code |= ((cells[..., axis] >> bit) & 1) << (3 * bit + axis)
    return code


def _gather(points: Float[Tensor, "B S F"], index: Int[Tensor, "B L"]) -> Float[Tensor, "B L F"]:
    return points.gather(1, index[..., None].expand(-1, -1, points.shape[2]))
