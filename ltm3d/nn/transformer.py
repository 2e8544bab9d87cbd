"""Pre-norm transformer blocks, and the learned tokens they start from."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ltm3d.nn.attention import Attention

LEARNED_TOKEN_STD = 0.5


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

    def __init__(self, width: int, *, num_heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, num_heads=num_heads)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width)

    def forward(
        self, x: Float[Tensor, "B N H"], *, visible: Bool[Tensor, "B N"] | None = None
    ) -> Float[Tensor, "B N H"]:
        x = x + self.attention(self.attention_norm(x), visible=visible)
        return x + self.feed_forward(self.feed_forward_norm(x))


def run_blocks(blocks: nn.ModuleList, x: Float[Tensor, "B N H"], *, recompute: bool = False) -> Float[Tensor, "B N H"]:
    """Run one block after the other.

    Args:
        recompute: keep only each block's input and run it again in the backward pass ("activation checkpointing":
            memory falls to a block's, a step takes a third longer).
    """
    for block in blocks:
        x = checkpoint(block, x, use_reentrant=False) if recompute and torch.is_grad_enabled() else block(x)
    return x


class CrossBlock(nn.Module):
    """Cross-attention to a context and feed-forward, each x + f(norm(x))."""

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
