"""The decoder of a field: space queries attend to the tokens' memory.

    logit_i = q(x) · k_i / √H − s |x − a_i|²,    value = Σ_i softmax_i(logit) v_i · c(x) / √H

The softmax does not see |x|², so the distance is the inner product of [x, 1] and s [2 a_i, −|a_i|²]: four more
channels of query and key.

Nothing but linear maps stands beside the softmax and the query's LayerNorm, so for one shape's memory the projections
fold into keys and values, exactly (`FoldedField`). The embedding is linear, too, in the waves f of a query: e = E f.
With Ē = E less its rows' mean, the normalised query is γ Ē f / σ + β, where σ² = |Ē f|² / H = |R f|² / H for the
triangular R of Ē = Q R. So of width H nothing is left: the tables are as wide as the waves are many, some forty.

    logit_i = f · A_i / σ + [x, 1] · P_i,    value = f · Σ_i softmax_i(logit) V_i

In bf16 the products run in it, the waves, σ and the last sum in fp32. The places P are large beside what tells them
apart, so x and P go in as sums of two bf16 numbers each, and −s |x|² is added to all logits: those of the memory that
is attended to are then near 0, where bf16 is fine.
"""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltm3d.nn.embeddings import PointEmbedding

# B batch, Q queries, M memory vectors, H width, W waves of a query and a one


@dataclass(frozen=True)
class FoldedField:
    """One shape's field with all projections folded; the same values as `FieldDecoder` to rounding.

    Attributes:
        keys: A, below it P; in bf16 the rows of P as `_split_keys` puts them.
        values: V.
        triangle: R, whose f gives the spread σ of the embedding; W rows, or H where the width is smaller.
        sharpness: s.
    """

    frequencies: Float[Tensor, " K"]
    keys: Float[Tensor, "rows M"]
    values: Float[Tensor, "M W"]
    triangle: Float[Tensor, "W columns"]
    width: int
    epsilon: float
    sharpness: float

    def __call__(self, queries: Float[Tensor, "Q 3"]) -> Float[Tensor, " Q"]:
        angles = (queries[:, :, None] * self.frequencies).flatten(1)
        one = torch.ones_like(queries[:, :1])
        waves = torch.cat([queries, angles.sin(), angles.cos(), one], dim=1)
        variance = (waves @ self.triangle).square().sum(dim=1, keepdim=True) / self.width
        scaled, dtype = waves * torch.rsqrt(variance + self.epsilon), self.keys.dtype
        if dtype == torch.bfloat16:
            places = _split_queries(queries, self.sharpness)
        else:
            places = torch.cat([queries, one], dim=1)
        weights = torch.softmax(torch.cat([scaled.to(dtype), places], dim=1) @ self.keys, dim=1)
        return ((weights @ self.values).to(waves.dtype) * waves).sum(dim=1)

    def to_bf16(self) -> "FoldedField":
        """Return the field with its products in bf16."""
        num_waves = len(self.triangle)
        keys = torch.cat([self.keys[:num_waves].bfloat16(), _split_keys(self.keys[num_waves:])])
        return replace(self, keys=keys, values=self.values.bfloat16())


def _halves(x: Float[Tensor, "*any"]) -> tuple[Float[Tensor, "*any"], Float[Tensor, "*any"]]:
    """Return two bf16 numbers whose sum is x to 2^-16 of it."""
    high = x.bfloat16()
    return high, (x - high.to(x.dtype)).bfloat16()


def _split_queries(queries: Float[Tensor, "Q 3"], sharpness: float) -> Float[Tensor, "Q 13"]:
    high, low = _halves(queries)
    one = torch.ones_like(high[:, :1])
    shift = _halves(-sharpness * queries.square().sum(dim=1, keepdim=True))
    return torch.cat([high, low, high, one, one, *shift], dim=1)


def _split_keys(places: Float[Tensor, "4 M"]) -> Float[Tensor, "13 M"]:
    high, low = _halves(places)
    return torch.cat([high[:3], high[:3], low[:3], high[3:], low[3:], torch.ones_like(high[:2])])


class FieldDecoder(nn.Module):
    """Cross-attend from embedded queries to the memory, single head, and project to one value.

    Args:
        num_frequencies: of the queries' embedding.
    """

    def __init__(self, width: int, *, num_frequencies: int) -> None:
        super().__init__()
        self.query_embedding = PointEmbedding(width, num_frequencies=num_frequencies)
        self.memory_norm = nn.LayerNorm(width)
        self.query_norm = nn.LayerNorm(width)
        self.to_query = nn.Linear(width, width, bias=False)
        self.to_key = nn.Linear(width, width, bias=False)
        self.to_value = nn.Linear(width, width, bias=False)
        self.to_coordinate = nn.Linear(width, width)
        self.log_sharpness = nn.Parameter(torch.tensor(math.log(16.0)))

    def forward(
        self, queries: Float[Tensor, "B Q 3"], memory: Float[Tensor, "B M H"], anchors: Float[Tensor, "*own M 3"]
    ) -> Float[Tensor, "B Q"]:
        """Return the field's values; anchors are the same for all shapes, or each shape's own."""
        memory = self.memory_norm(memory)
        scale = memory.shape[-1] ** -0.5
        embedded = self.query_embedding(queries)
        query = scale * self.to_query(self.query_norm(embedded))
        query = torch.cat([query, queries, torch.ones_like(queries[..., :1])], dim=-1)
        place = torch.cat([2 * anchors, -anchors.square().sum(dim=-1, keepdim=True)], dim=-1)
        place = self.log_sharpness.exp() * place
        key = torch.cat([self.to_key(memory), place.expand(len(memory), -1, -1)], dim=-1)
        weights = torch.softmax(query @ key.transpose(1, 2), dim=-1)
        return scale * (self.to_coordinate(embedded) * (weights @ self.to_value(memory))).sum(dim=-1)

    @torch.no_grad()
    def fold(self, memory: Float[Tensor, "M H"], anchors: Float[Tensor, "M 3"]) -> FoldedField:
        """Fold everything that does not depend on the queries; in float64, handed out as the memory's type."""
        dtype, width = memory.dtype, memory.shape[-1]
        memory, anchors = self.memory_norm(memory).double(), anchors.double()
        embed = self.query_embedding.project
        waves_to_width = torch.cat([embed.weight, embed.bias[:, None]], dim=1).double()  # [H W]
        centered = waves_to_width - waves_to_width.mean(dim=0)
        keys = width**-0.5 * memory @ self.to_key.weight.double().T @ self.to_query.weight.double()  # [M H]
        values = width**-0.5 * memory @ self.to_value.weight.double().T
        sharpness = self.log_sharpness.double().exp()
        least = keys @ self.query_norm.bias.double() - sharpness * anchors.square().sum(dim=-1)
        places = torch.cat([sharpness * 2 * anchors.T, least[None]])
        scaled = centered.T @ (self.query_norm.weight.double() * keys).T
        to_coordinate = self.to_coordinate
        value_table = values @ to_coordinate.weight.double() @ waves_to_width
        value_table[:, -1] += values @ to_coordinate.bias.double()
        return FoldedField(
            frequencies=self.query_embedding.frequencies,
            keys=torch.cat([scaled, places]).to(dtype),
            values=value_table.to(dtype),
            triangle=torch.linalg.qr(centered, mode="r").R.T.to(dtype),
            width=width,
            epsilon=self.query_norm.eps,
            sharpness=float(sharpness),
        )
