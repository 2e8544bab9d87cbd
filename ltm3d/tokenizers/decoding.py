"""The decoded field of one shape, as a function of points in space."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ltm3d.tokenizers.field_decoder import FieldDecoder

QUERIES_A_BATCH = 8192

# Q queries, M memory vectors, H width


class TokenField:
    """Truncated signed distances, negative inside; queries go through in batches of bounded memory."""

    def __init__(
        self, field: FieldDecoder, memory: Float[Tensor, "1 M H"], anchors: Float[Tensor, "M 3"], *, truncation: float
    ) -> None:
        self.field = field
        self.memory = memory
        self.anchors = anchors
        self.truncation = truncation

    @torch.no_grad()
    def __call__(self, queries: Float[np.ndarray, "Q 3"]) -> Float[np.ndarray, " Q"]:
        points = torch.from_numpy(np.ascontiguousarray(queries, dtype=np.float32)).to(self.memory.device)
        parts = [self.field(part[None], self.memory, self.anchors)[0] for part in points.split(QUERIES_A_BATCH)]
        return (torch.tanh(torch.cat(parts)) * self.truncation).cpu().numpy()
