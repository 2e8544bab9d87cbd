"""Set tokens with an identity: learnable queries, each with an anchor in space, that attend to a shape's points.

    points with features ─► cross-attention of L learnable queries ─► N(mean, std) [L, D] ─► self-attention

The queries are learnable, so that token i means the same thing in every shape: the generator's position
embeddings and LTR rest on it (docs/architecture.md, "token identity"). Each query has an
anchor, a learnable point in space, and attention prefers what is near it. Without that, small models spend most of
their training finding out where each token should look. The set itself is 3DShape2VecSet's (Zhang et al. 2023).
"""

import math
from dataclasses import Field, dataclass, fields
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltm3d.errors import ConfigError
from ltm3d.nn.attention import distance_bias
from ltm3d.nn.bottleneck import NormalizedBottleneck
from ltm3d.nn.embeddings import PointEmbedding
from ltm3d.nn.posterior import Posterior
from ltm3d.nn.transformer import Block, CrossBlock, check_sizes
from ltm3d.tokenizers.tokenizer import Tokenizer

# B batch, S points, F features, L tokens, D token channels, H width

NUM_FREQUENCIES = 5  # wavelengths 2 to 1/8; finer ones only make a small model noisy
INITIAL_LOG_VARIANCE = -6.0
LOG_VARIANCE_RANGE = (-20.0, 10.0)


@dataclass(frozen=True, kw_only=True)
class AnchoredConfig:
    """Sizes that all tokenizers of sets share.

    Attributes:
        kl_weight: weight of the posterior's KL to the standard normal, nats a channel.
        bottleneck: `kl`, tokens are drawn from a posterior; `normalized`, their length is fixed, nothing is drawn and
            the KL has no gradient (nn/bottleneck.py).
    """

    num_tokens: int
    token_dim: int
    width: int
    encoder_depth: int
    decoder_depth: int
    num_heads: int
    kl_weight: float = 1e-3
    bottleneck: Literal["kl", "normalized"] = "kl"

    def __post_init__(self) -> None:
        check_sizes(self, "num_tokens", "token_dim")
        for name in ("encoder_depth", "decoder_depth", *(each.name for each in fields(self) if is_weight(each))):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; use 0 (none) or more")
        if self.bottleneck == "normalized" and self.token_dim < 2:
            raise ConfigError(f"token_dim is {self.token_dim}; a normalized bottleneck needs at least 2")


def is_weight(field: Field[Any]) -> bool:
    """Say whether a setting is a term's weight in the loss; a weight below 0 would reward what is wrong."""
    return field.name.endswith("_weight")


class AnchoredTokenizer(Tokenizer):
    """The encoder of points to anchored tokens, and the part of the decoder that all sets share.

    Args:
        num_features: of a point, beside its position.
    """

    config: AnchoredConfig

    def __init__(self, config: AnchoredConfig, *, num_features: int) -> None:
        super().__init__(config)
        width, heads = config.width, config.num_heads
        self.queries = nn.Parameter(torch.randn(config.num_tokens, width) * 0.5)
        self.anchors = nn.Parameter(spread_points(config.num_tokens))
        self.log_sharpness = nn.Parameter(torch.linspace(math.log(2.0), math.log(32.0), heads))
        self.surface_embedding = PointEmbedding(width, num_frequencies=NUM_FREQUENCIES, num_features=num_features)
        self.surface_to_tokens = CrossBlock(width, num_heads=heads, context_width=width)
        self.encoder = nn.ModuleList(Block(width, num_heads=heads) for _ in range(config.encoder_depth))
        self.moments_norm = nn.LayerNorm(width)
        self.to_moments: nn.Linear | NormalizedBottleneck
        if config.bottleneck == "normalized":
            self.to_moments = NormalizedBottleneck(width, config.token_dim)
        else:
            self.to_moments = nn.Linear(width, 2 * config.token_dim)
            with torch.no_grad():  # begin with little noise: a decoder that sees only noise learns to ignore the tokens
                self.to_moments.bias[config.token_dim :] = INITIAL_LOG_VARIANCE
        self.from_tokens = nn.Linear(config.token_dim, width)
        self.decoder = nn.ModuleList(Block(width, num_heads=heads) for _ in range(config.decoder_depth))

    def encode_points(self, points: Float[Tensor, "B S F"]) -> Posterior:
        """Encode points [x, y, z, features…] to the posterior of the latent tokens."""
        queries, anchors = self.queries_of(points)
        bias = distance_bias(anchors, points[..., :3], self.log_sharpness.exp())
        x = self.surface_to_tokens(queries, self.surface_embedding(points), bias=bias)
        for block in self.encoder:
            x = block(x)
        x = self.moments_norm(x)
        if isinstance(self.to_moments, NormalizedBottleneck):
            return self.to_moments(x)
        mean, log_variance = self.to_moments(x).chunk(2, dim=-1)
        return Posterior(mean, log_variance.clamp(*LOG_VARIANCE_RANGE))

    def queries_of(self, points: Float[Tensor, "B S F"]) -> tuple[Float[Tensor, "B L H"], Float[Tensor, "*own L 3"]]:
        """Return what asks the points, and where in space each query stands."""
        return self.queries.expand(len(points), -1, -1), self.anchors

    def decode_states(self, tokens: Float[Tensor, "B L D"]) -> Float[Tensor, "B L H"]:
        """Run the self-attention layers of the decoder; tokens are not normalised."""
        x = self.from_tokens(tokens) + self.queries
        for block in self.decoder:
            x = block(x)
        return x


def spread_points(count: int) -> Float[Tensor, "N 3"]:
    """Return points spread evenly over [-0.75, 0.75]^3, the same each time (Sobol sequence)."""
    return 1.5 * torch.quasirandom.SobolEngine(3).draw(count) - 0.75
