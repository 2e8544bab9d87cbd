"""The CPU rasteriser as a differentiable function of torch tensors.

Letters: G Gaussians, H W pixels (H = W).
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ltm3d.splatting.camera import Pinhole
from ltm3d.splatting.rasterize import Drawing, rasterize, rasterize_backward, to_blocks


def draw_rgba(parameters: Float[Tensor, "G 14"], view: Pinhole) -> Float[Tensor, "H W 4"]:
    """Draw a table of Gaussians, float32 on any device: colours times alpha, and alpha."""
    rgba: Tensor = _Rasterize.apply(parameters, view)
    return rgba


class _Rasterize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, parameters: Tensor, view: Pinhole) -> Tensor:
        ctx.table = _to_numpy(parameters)
        ctx.view = view
        ctx.drawing = rasterize(ctx.table, view)
        return torch.from_numpy(ctx.drawing.rgba).to(parameters.device)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (rgba_gradient,) = gradients
        drawing: Drawing = ctx.drawing
        gradient = rasterize_backward(ctx.table, ctx.view, drawing, to_blocks(_to_numpy(rgba_gradient)))
        return torch.from_numpy(gradient).to(rgba_gradient.device), None


def _to_numpy(values: Tensor) -> np.ndarray:
    return np.ascontiguousarray(values.detach().float().cpu().numpy())
