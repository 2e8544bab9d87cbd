"""DenoiseNet: a small MLP that denoises one token given its condition vector c_i (MAR's per-token diffusion)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ltm3d.nn.embeddings import TimeEmbedding

# N rows (tokens × noise draws), D token channels, C width of c_i, W width of the MLP, O outputs of the diffusion head


class DenoiseNet(nn.Module):
    """Residual MLP modulated by time and condition through adaptive layer norm; zero-initialised gates and output."""

    def __init__(self, *, token_dim: int, num_outputs: int, condition_width: int, width: int, depth: int) -> None:
        super().__init__()
        self.embed_token = nn.Linear(token_dim, width)
        self.embed_time = TimeEmbedding(width)
        self.embed_condition = nn.Linear(condition_width, width)
        self.blocks = nn.ModuleList(ModulatedBlock(width) for _ in range(depth))
        self.final_modulation = nn.Linear(width, 2 * width)
        self.to_out = nn.Linear(width, num_outputs)
        for layer in (self.final_modulation, self.to_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self, x_t: Float[Tensor, "N D"], t: Float[Tensor, " #N"], condition: Float[Tensor, "N W"]
    ) -> Float[Tensor, "N O"]:
        """Predict the diffusion head's target.

        Args:
            t: of each row, or one for all, as in sampling.
            condition: c_i already through `embed_condition`, which costs once a token and not once a noise draw.
        """
        modulation = F.silu(self.embed_time(t) + condition)
        x = self.embed_token(x_t)
        for block in self.blocks:
            x = block(x, modulation)
        shift, scale = self.final_modulation(modulation).chunk(2, dim=-1)
        return self.to_out(F.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift)


class ModulatedBlock(nn.Module):
    """x + gate · MLP(norm(x) · (1 + scale) + shift)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.modulation = nn.Linear(width, 3 * width)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Float[Tensor, "N W"], modulation: Float[Tensor, "N W"]) -> Float[Tensor, "N W"]:
        shift, scale, gate = self.modulation(modulation).chunk(3, dim=-1)
        return x + gate * self.mlp(torch.addcmul(shift, F.layer_norm(x, x.shape[-1:]), 1 + scale))
