"""The decoded field of one shape, as a function of points in space."""

import numpy as np
import torch
from jaxtyping import Float

from ltm3d.tokenizers.field_decoder import FoldedField

QUERIES_A_BATCH = 2048  # the tables and a batch's logits stay in the processor's cache

# Q queries


class TokenField:
    """Truncated signed distances, negative inside; queries go through in batches of bounded memory."""

    def __init__(self, field: FoldedField, *, truncation: float) -> None:
        self.field = field
        self.truncation = truncation

    @torch.no_grad()
    def __call__(self, queries: Float[np.ndarray, "Q 3"]) -> Float[np.ndarray, " Q"]:
        points = torch.from_numpy(np.ascontiguousarray(queries, dtype=np.float32)).to(self.field.values.device)
        parts = [self.field(part) for part in points.split(QUERIES_A_BATCH)]
        return (torch.tanh(torch.cat(parts)) * self.truncation).cpu().numpy()
