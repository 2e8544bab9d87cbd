"""From latent tokens to a mesh."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ltm3d.geometry.extraction import extract_mesh
from ltm3d.geometry.mesh import Mesh
from ltm3d.tokenizers.sdf import SdfTokenizer

QUERIES_A_BATCH = 8192


class TokenField:
    """The decoded distance field of one shape, as a function of query points."""

    def __init__(self, tokenizer: SdfTokenizer, tokens: Float[Tensor, "L D"]) -> None:
        self.tokenizer = tokenizer
        with torch.no_grad():
            self.memory = tokenizer.decode_memory(tokens[None])

    @torch.no_grad()
    def __call__(self, queries: Float[np.ndarray, "Q 3"]) -> Float[np.ndarray, " Q"]:
        """Return truncated distances, negative inside; queries go through in batches of bounded memory."""
        points = torch.from_numpy(np.ascontiguousarray(queries, dtype=np.float32)).to(self.memory.device)
        parts = [self.tokenizer.decode(self.memory, part[None])[0] for part in points.split(QUERIES_A_BATCH)]
        return torch.cat(parts).cpu().numpy()


def decode_mesh(tokenizer: SdfTokenizer, tokens: Float[Tensor, "L D"], *, resolution: int) -> Mesh:
    """Decode tokens (not normalised) and extract the surface.

    Raises:
        AssetError: `empty_decode`, the field has no zero crossing; the detail gives its range.
    """
    return extract_mesh(TokenField(tokenizer, tokens), resolution=resolution)
