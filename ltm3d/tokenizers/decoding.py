"""The decoded field of one shape, as a function of points in space; negative inside."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ltm3d.geometry.isosurface import grid_queries
from ltm3d.tokenizers.field_decoder import FoldedField

QUERIES_A_BATCH = 2048  # the tables and a batch's logits stay in the processor's cache
SLOPE_RESOLUTION = 33  # points an axis of the grid on which the slope at the surface is looked for
SLOPE_QUANTILE = 0.95
MAX_CROSSINGS = 4096

# Q queries, E edges of the grid that the surface crosses


class TokenField:
    """Truncated signed distances; queries go through in batches of bounded memory."""

    def __init__(self, field: FoldedField, *, truncation: float) -> None:
        self.field = field
        self.truncation = truncation

    def __call__(self, queries: Float[np.ndarray, "Q 3"]) -> Float[np.ndarray, " Q"]:
        return (torch.tanh(evaluate(self.field, queries)) * self.truncation).cpu().numpy()


class OccupancyField:
    """Logits of being outside, divided by their slope at the surface, so that they are distances there.

    Extraction looks for cells whose |value| is no more than a surface allows (geometry/extraction.py). Logits are
    steepest at the surface and flatten away from it, so |logit| / slope is at most the distance wherever the field is
    no steeper than `slope`. That is a quantile, 95 %: where the surface is steeper, a cell of it can be missed.

    Attributes:
        slope: logits a unit of length.
    """

    def __init__(self, field: FoldedField) -> None:
        self.field = field
        self.slope = surface_slope(field)

    def __call__(self, queries: Float[np.ndarray, "Q 3"]) -> Float[np.ndarray, " Q"]:
        return (evaluate(self.field, queries) / self.slope).cpu().numpy()


@torch.no_grad()
def evaluate(field: FoldedField, queries: Float[np.ndarray, "Q 3"]) -> Float[Tensor, " Q"]:
    """Return the field's own values at some points, fp32, on its device."""
    points = torch.from_numpy(np.ascontiguousarray(queries, dtype=np.float32)).to(field.values.device)
    return torch.cat([field(part) for part in points.split(QUERIES_A_BATCH)])


def surface_slope(field: FoldedField) -> float:
    """Return a high quantile of |∇ field| where it crosses 0 between neighbours of a coarse grid; 1 if it nowhere does.

    Crossings are interpolated linearly.
    """
    grid = grid_queries(SLOPE_RESOLUTION)
    shape = (SLOPE_RESOLUTION,) * 3
    values, points = evaluate(field, grid).cpu().numpy().reshape(shape), grid.reshape(*shape, 3)
    crossings = []
    for axis in range(3):
        ends = [np.moveaxis(each, axis, 0) for each in (values, points)]
        (low, high), (start, end) = ((each[:-1], each[1:]) for each in ends)
        is_crossed = (low < 0) != (high < 0)
        share = low[is_crossed] / (low[is_crossed] - high[is_crossed])
        crossings.append(start[is_crossed] + share[:, None] * (end - start)[is_crossed])
    found = np.concatenate(crossings)
    if not len(found):
        return 1.0
    found = found[:: -(-len(found) // MAX_CROSSINGS)]
    gradients = []
    for part in torch.from_numpy(found.astype(np.float32)).to(field.values.device).split(QUERIES_A_BATCH):
        with torch.enable_grad():
            at = part.requires_grad_()
            gradients.append(torch.autograd.grad(field(at).sum(), at)[0].norm(dim=1))
    return float(torch.cat(gradients).quantile(SLOPE_QUANTILE).clamp(min=1e-6))
