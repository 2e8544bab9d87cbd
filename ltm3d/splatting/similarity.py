"""Structural similarity of pictures (Wang et al. 2004), as 3DGS uses it: an 11 x 11 Gaussian window of σ = 1.5 pixels.

SSIM = (2 μ_a μ_b + c1)(2 σ_ab + c2) / ((μ_a² + μ_b² + c1)(σ_a² + σ_b² + c2)),    c1 = 0.01², c2 = 0.03²

Letters: V views, H W pixels, C colours.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2


def ssim(first: Float[Tensor, "V C H W"], second: Float[Tensor, "V C H W"]) -> Float[Tensor, " V"]:
    """Return the mean similarity of each pair of pictures, colours in [0, 1]; 1 = equal. The border is zero.

    In fp32, under autocast, too: a variance is the difference of two near numbers, of which bf16 leaves nothing.
    """
    with torch.autocast(first.device.type, enabled=False):
        return _ssim(first.float(), second.float())


def _ssim(first: Float[Tensor, "V C H W"], second: Float[Tensor, "V C H W"]) -> Float[Tensor, " V"]:
    offsets = torch.arange(_WINDOW, dtype=first.dtype, device=first.device) - _WINDOW // 2
    bell = torch.exp(-offsets.square() / (2 * _SIGMA**2))
    bell = bell / bell.sum()
    num_channels = first.shape[1]
    down = bell.view(1, 1, -1, 1).repeat(num_channels, 1, 1, 1)
    across = bell.view(1, 1, 1, -1).repeat(num_channels, 1, 1, 1)

    def mean(values: Tensor) -> Tensor:
        rows = F.conv2d(values, down, padding=(_WINDOW // 2, 0), groups=num_channels)
        return F.conv2d(rows, across, padding=(0, _WINDOW // 2), groups=num_channels)

    mean_a, mean_b = mean(first), mean(second)
    variance_a, variance_b = mean(first.square()) - mean_a.square(), mean(second.square()) - mean_b.square()
    covariance = mean(first * second) - mean_a * mean_b
    likeness = (2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)
    scale = (mean_a.square() + mean_b.square() + _C1) * (variance_a + variance_b + _C2)
    return (likeness / scale).mean(dim=(1, 2, 3))
