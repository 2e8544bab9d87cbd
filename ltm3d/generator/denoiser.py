"""DenoiseNet: a small MLP that denoises one token given its condition vector c_i (MAR's per-token diffusion).

Each block is x + gate · MLP(norm(x) · (1 + scale) + shift), where [shift, scale, gate] = A(t) + B(c_i): one linear map
of the time for all blocks ("adaLN-single", Chen et al. 2023, PixArt-α), one of the condition for each. MAR modulates by
A(t + c_i), which must be computed anew for every noise draw and every step of sampling; of a sum, B(c_i) costs once a
token and A(t) once a step.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ltm3d.nn.embeddings import TimeEmbedding

# N tokens, R rows (tokens × noise draws, a token's draws together), D token channels, H width of c_i, W width of the
# MLP, O outputs of the diffusion head, M all modulations of a token


class DenoiseNet(nn.Module):
    """Residual MLP modulated by time and condition through adaptive layer norm; gates and output begin at zero."""

    one_program = True

    def __init__(self, *, token_dim: int, num_outputs: int, condition_width: int, width: int, depth: int) -> None:
        super().__init__()
        self.width = width
        self.embed_token = nn.Linear(token_dim, width)
        self.embed_time = TimeEmbedding(width)
        self.time_modulation = nn.Linear(width, 5 * width)  # three for the blocks, two for the output
        self.embed_condition = nn.Linear(condition_width, width)
        self.condition_modulation = nn.Linear(width, (3 * depth + 2) * width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width)) for _ in range(depth)
        )
        self.to_out = nn.Linear(width, num_outputs)
        for layer in (self.time_modulation, self.condition_modulation, self.to_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def modulate(self, condition: Float[Tensor, "N H"]) -> Float[Tensor, "N M"]:
        """Return the condition's part of all modulations, once a token."""
        return self.condition_modulation(F.silu(self.embed_condition(condition)))

    def forward(
        self, x_t: Float[Tensor, "R D"], t: Float[Tensor, " #R"], modulation: Float[Tensor, "N M"]
    ) -> Float[Tensor, "R O"]:
        """Predict the diffusion head's target.

        Args:
            t: of each row, or one for all, as in sampling.
            modulation: of `modulate`; each token has R / N rows.
        """
        per_token = (len(modulation), len(x_t) // len(modulation))
        x = self.embed_token(x_t).unflatten(0, per_token)  # [N, draws, W]
        time = self.time_modulation(F.silu(self.embed_time(t)))
        time = time[None] if len(t) == 1 else time.unflatten(0, per_token)
        of_blocks, of_output = time.split([3 * self.width, 2 * self.width], dim=-1)
        *own, last = modulation[:, None].split([3 * self.width] * len(self.blocks) + [2 * self.width], dim=-1)
        for block, of_condition in zip(self.blocks, own, strict=True):
            shift, scale, gate = (of_blocks + of_condition).chunk(3, dim=-1)
            x = x + gate * block(torch.addcmul(shift, F.layer_norm(x, x.shape[-1:]), 1 + scale))
        shift, scale = (of_output + last).chunk(2, dim=-1)
        return self.to_out(torch.addcmul(shift, F.layer_norm(x, x.shape[-1:]), 1 + scale)).flatten(0, 1)
