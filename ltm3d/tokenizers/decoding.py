"""The decoded field of one shape, as a function of points in space; negative inside."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ltm3d.tokenizers.field_decoder import FoldedField

QUERIES_A_BATCH = 2048  # the tables and a batch's logits stay in the processor's cache

# Q queries


class TokenField:
    """Truncated signed distances; queries go through in batches of bounded memory."""

    def __init__(self, field: FoldedField, *, truncation: float) -> None:
        self.field = field
        self.truncation = truncation

    def __call__(self, queries: Float[np.ndarray, "Q 3"]) -> Float[np.ndarray, " Q"]:
        return (torch.tanh(evaluate(self.field, queries)) * self.truncation).cpu().numpy()


@torch.no_grad()
def evaluate(field: FoldedField, queries: Float[np.ndarray, "Q 3"]) -> Float[Tensor, " Q"]:
    """Return the field's own values at some points, fp32, on its device."""
    points = torch.from_numpy(np.ascontiguousarray(queries, dtype=np.float32)).to(field.values.device)
    return torch.cat([field(part) for part in points.split(QUERIES_A_BATCH)])
