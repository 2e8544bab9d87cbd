"""The decoder of a field: space queries attend to the tokens' memory.

    logit = q(x) · k_i / √H − s |x − a_i|²,    value = Σ_i softmax_i(logit) v_i · c(x) / √H

The softmax does not see |x|², so the distance is the inner product of [x, 1] and s [2 a_i, −|a_i|²]: four more
channels of query and key. There is nothing but linear maps beside the softmax, so the projections can be folded into
keys and values.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltm3d.nn.embeddings import PointEmbedding

# B batch, Q queries, M memory vectors, H width


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
        self, queries: Float[Tensor, "B Q 3"], memory: Float[Tensor, "B M H"], anchors: Float[Tensor, "M 3"]
    ) -> Float[Tensor, "B Q"]:
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
