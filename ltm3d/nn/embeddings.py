"""Embeddings of positions in space and in diffusion time."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


class PointEmbedding(nn.Module):
    """Embed points, and features beside them, by sines and cosines of 2^k π x and a linear map.

    3DShape2VecSet (Zhang et al. 2023), section 5.1.
    """

    frequencies: Tensor

    def __init__(self, width: int, *, num_frequencies: int = 8, num_features: int = 0) -> None:
        super().__init__()
        self.register_buffer("frequencies", math.pi * 2.0 ** torch.arange(num_frequencies), persistent=False)
        self.project = nn.Linear(3 + 6 * num_frequencies + num_features, width)

    def forward(self, points: Float[Tensor, "*B N F"]) -> Float[Tensor, "*B N H"]:
        """Embed [x, y, z, features…]."""
        position = points[..., :3]
        angles = (position[..., None] * self.frequencies).flatten(-2)  # [.. 3 K] -> [.. 3K]
        return self.project(torch.cat([points, angles.sin(), angles.cos()], dim=-1))


class TimeEmbedding(nn.Module):
    """Embed diffusion time t in [0, 1] by sinusoids of 1000 t and a small MLP."""

    frequencies: Tensor

    def __init__(self, width: int, *, num_sinusoids: int = 64) -> None:
        super().__init__()
        frequencies = torch.exp(-math.log(10_000.0) * torch.arange(num_sinusoids) / num_sinusoids)
        self.register_buffer("frequencies", 1000.0 * frequencies, persistent=False)
        self.project = nn.Sequential(nn.Linear(2 * num_sinusoids, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Float[Tensor, " N"]) -> Float[Tensor, "N H"]:
        angles = t[:, None] * self.frequencies
        return self.project(torch.cat([angles.sin(), angles.cos()], dim=-1))
