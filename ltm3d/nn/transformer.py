"""Pre-norm transformer blocks, and the learned tokens they start from.

A module marked `one_program` has no branch on data, so torch.compile takes it whole. A module marked `recomputable` may
run again in the backward pass (`ltm3d.training.blocks`).
"""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ltm3d.errors import ConfigError
from ltm3d.nn.attention import Attention

LEARNED_TOKEN_STD = 0.5


def check_sizes(config: Any, *counts: str) -> None:
    """Refuse settings of which no blocks can be built: `width`, `num_heads` and further counts, each at least 1.

    Raises:
        ConfigError: with the setting and its value.
    """
    for name in ("width", "num_heads", *counts):
        if getattr(config, name) < 1:
            raise ConfigError(f"{name} is {getattr(config, name)}; it must be at least 1")
    if config.width % config.num_heads:
        raise ConfigError(f"width {config.width} must be a multiple of num_heads {config.num_heads}")


def learned_tokens(*shape: int) -> nn.Parameter:
    """Return learned tokens or positions [..., H].

    They start far apart: with the usual 0.02 all queries ask for the same, and short trainings sit on a plateau.
    """
    return nn.Parameter(torch.randn(*shape) * LEARNED_TOKEN_STD)


class FeedForward(nn.Sequential):
    """Two linear layers around a GELU."""

    def __init__(self, width: int, *, expansion: int = 4) -> None:
        super().__init__(
            nn.Linear(width, expansion * width), nn.GELU(approximate="tanh"), nn.Linear(expansion * width, width)
        )


class Block(nn.Module):
    """Self-attention and feed-forward, each x + f(norm(x))."""

    one_program = recomputable = True

    def __init__(self, width: int, *, num_heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, num_heads=num_heads)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width)

    def forward(
        self,
        x: Float[Tensor, "B N H"],
        *,
        visible: Bool[Tensor, "B N"] | None = None,
        wanted: Int[Tensor, "B W"] | None = None,
    ) -> Float[Tensor, "B _ H"]:
        """Run the block.

        Args:
            visible: which positions may be attended to; None = all.
            wanted: the positions to give the result for, and no others; None = all.
        """
        normed = self.attention_norm(x)
        if wanted is None:
            x = x + self.attention(normed, visible=visible)
        else:
            index = wanted[..., None].expand(-1, -1, x.shape[2])
            x = x.gather(1, index) + self.attention(normed.gather(1, index), normed, visible=visible)
        return x + self.feed_forward(self.feed_forward_norm(x))


def run_blocks(
    blocks: nn.ModuleList,
    x: Float[Tensor, "B N H"],
    *,
    visible: Bool[Tensor, "B N"] | None = None,
    recompute: bool = False,
) -> Float[Tensor, "B N H"]:
    """Run one block after the other.

    Args:
        visible: which positions may be attended to; None = all.
        recompute: keep only each block's input and run it again in the backward pass ("activation checkpointing":
            memory falls to a block's, a step takes a third longer).
    """
    for block in blocks:
        if recompute and torch.is_grad_enabled():
            x = checkpoint(block, x, visible=visible, use_reentrant=False)
        else:
            x = block(x, visible=visible)
    return x


class CrossBlock(nn.Module):
    """Cross-attention to a context and feed-forward, each x + f(norm(x))."""

    one_program = recomputable = True

    def __init__(self, width: int, *, num_heads: int, context_width: int) -> None:
        super().__init__()
        self.query_norm = nn.LayerNorm(width)
        self.context_norm = nn.LayerNorm(context_width)
        self.attention = Attention(width, num_heads=num_heads, context_width=context_width)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width)

    def forward(
        self,
        x: Float[Tensor, "B N H"],
        context: Float[Tensor, "B M C"],
        *,
        visible: Bool[Tensor, "B M"] | None = None,
        bias: Float[Tensor, "B heads N M"] | None = None,
    ) -> Float[Tensor, "B N H"]:
        x = x + self.attention(self.query_norm(x), self.context_norm(context), visible=visible, bias=bias)
        return x + self.feed_forward(self.feed_forward_norm(x))
