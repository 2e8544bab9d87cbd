"""Residual vector quantisation: a vector as the sum of one code from each of several codebooks.

    r_0 = z,   i_k = argmin_c |r_k − c_k|²,   r_{k+1} = r_k − c_k[i_k],   q = Σ_k c_k[i_k]

Lee et al. 2022, "Autoregressive image generation using residual quantization", section 3.1. The first code of every
codebook is 0 and stays so: a further codebook can leave a vector as it is, so the error never grows with depth.

Codes are learnt by gradient, as in van den Oord et al. 2017 ("Neural discrete representation learning", equation 3),
not by moving averages: parameters are alike on all workers and in checkpoints without further state.

    loss = Σ_k |sg(r_k) − c_k[i_k]|² + β |z − sg(q)|² + ε Σ_k mean over unused c of min_r |sg(r) − c|²

The last term is for dead codes: one that no vector of a batch chose is drawn to the vector nearest to it, until one
chooses it.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

# N vectors, K depth, C codes, D channels

COMMITMENT_WEIGHT = 0.25  # β
DEAD_CODE_WEIGHT = 0.01  # ε
INITIAL_STD = 0.5


@dataclass(frozen=True)
class Quantized:
    """Vectors as sums of codes.

    Attributes:
        values: q, with the gradient of z: the straight-through estimator.
        indices: which code of each codebook.
        loss: of the codebooks and of z, a scalar.
        used_share: share of the codes that a vector chose.
    """

    values: Float[Tensor, "N D"]
    indices: Int[Tensor, "N K"]
    loss: Float[Tensor, ""]
    used_share: Float[Tensor, ""]


class ResidualQuantizer(nn.Module):
    """Codebooks of one size, the finer the deeper."""

    def __init__(self, dim: int, *, depth: int, num_codes: int) -> None:
        super().__init__()
        std = INITIAL_STD * 0.5 ** torch.arange(depth)
        self.codes = nn.Parameter(torch.randn(depth, num_codes - 1, dim) * std[:, None, None])

    def codebooks(self) -> Float[Tensor, "K C D"]:
        """Return all codes, the first of each codebook 0."""
        return torch.cat([torch.zeros_like(self.codes[:, :1]), self.codes], dim=1)

    def forward(self, vectors: Float[Tensor, "N D"]) -> Quantized:
        vectors, residual = vectors.float(), vectors.detach().float()
        loss, indices, used = vectors.new_zeros(()), [], []
        for codebook in self.codebooks().float():
            distance = _squared_distances(residual, codebook.detach())
            index = distance.argmin(dim=1)
            loss = loss + (residual - codebook[index]).square().mean()
            is_used = torch.zeros(len(codebook), dtype=torch.bool, device=index.device).index_fill(0, index, True)
            if len(residual) and not bool(is_used.all()):
                nearest = residual[distance[:, ~is_used].argmin(dim=0)]
                loss = loss + DEAD_CODE_WEIGHT * (nearest - codebook[~is_used]).square().mean()
            residual = residual - codebook[index].detach()
            indices.append(index)
            used.append(is_used.float().mean())
        found = torch.stack(indices, dim=1)
        values = self.decode(found).detach()
        loss = loss + COMMITMENT_WEIGHT * (vectors - values).square().mean()
        return Quantized(values + (vectors - vectors.detach()), found, loss, torch.stack(used).mean())

    def decode(self, indices: Int[Tensor, "N K"]) -> Float[Tensor, "N D"]:
        """Return the sums of the codes; fewer columns than codebooks give the coarser vectors."""
        codebooks = self.codebooks().float()
        parts = [codebook[index] for codebook, index in zip(codebooks, indices.unbind(dim=1), strict=False)]
        return torch.stack(parts).sum(dim=0)


def _squared_distances(one: Float[Tensor, "N D"], other: Float[Tensor, "C D"]) -> Float[Tensor, "N C"]:
    """|a − b|² in fp32; under autocast a product in bf16 would choose wrong codes."""
    with torch.autocast(one.device.type, enabled=False):
        return one.square().sum(1, keepdim=True) - 2 * one @ other.T + other.square().sum(1)
