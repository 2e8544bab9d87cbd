"""A bottleneck that bounds tokens instead of drawing them."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ltm3d.nn.posterior import Posterior

# B batch, L tokens, D token channels, H width

EPSILON = 1e-3
NO_LOG_VARIANCE = -20.0  # as good as nothing, and still a posterior to whoever draws from it


class NormalizedBottleneck(nn.Module):
    """Project states to tokens whose channels have mean 0 and variance 1: token = LayerNorm(W h).

    So |token| = √D whatever the encoder does, which is what a KL term is there for, without a weight to choose. The
    norm has no scale or shift of its own: the decoder's first linear map has them. Source: VecSetX, the public code
    that follows 3DShape2VecSet (github.com/1zb/VecSetX), where the bottleneck has this name.
    """

    def __init__(self, width: int, token_dim: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, token_dim)

    def forward(self, x: Float[Tensor, "B L H"]) -> Posterior:
        """Return a posterior that is its mean; its KL to the standard normal does not depend on the weights."""
        projected = self.project(x).float()
        mean = F.layer_norm(projected, projected.shape[-1:], eps=EPSILON)
        return Posterior(mean, torch.full_like(mean, NO_LOG_VARIANCE))
