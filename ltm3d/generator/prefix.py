"""Prefix learning: from condition tokens of any length to P prefix tokens (LTM3D, "Prefix Learning").

prompt ─► image tokens, text tokens ─► one width, with a type ─► cross-attention of P learnable tokens ─► prefix
                                                           └───► as they are (without prefix learning) ─► prefix
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ltm3d.errors import ConfigError
from ltm3d.generator.standardization import StandardizedProjection
from ltm3d.nn.randomness import StepRandom
from ltm3d.nn.transformer import CrossBlock, learned_tokens

# B batch, T condition tokens, C condition channels, P prefix tokens, H width

NUM_ABSENT = 2  # a token each that says "no image" and "no text"


@dataclass(frozen=True)
class Condition:
    """Frozen encoders' tokens of a batch of prompts, and which modality is given.

    `has_image` and `has_text` are False where the modality is absent or dropped; its tokens are then never seen.
    """

    image_tokens: Float[Tensor, "B T_i C_i"]
    text_tokens: Float[Tensor, "B T_t C_t"]
    text_mask: Bool[Tensor, "B T_t"]
    has_image: Bool[Tensor, " B"]
    has_text: Bool[Tensor, " B"]

    def to(self, device: torch.device) -> "Condition":
        """Return the same prompts on a device."""
        return Condition(
            self.image_tokens.to(device),
            self.text_tokens.to(device),
            self.text_mask.to(device),
            has_image=self.has_image.to(device),
            has_text=self.has_text.to(device),
        )

    def dropped(self) -> "Condition":
        """Return the same prompts with both modalities dropped: the null condition of guidance."""
        nothing = torch.zeros_like(self.has_image)
        return replace(self, has_image=nothing, has_text=nothing)

    def image_alone(self) -> "Condition":
        """Return the same prompts with their texts dropped."""
        return replace(self, has_text=torch.zeros_like(self.has_text))


@dataclass(frozen=True)
class Prefix:
    """The tokens before the shape tokens, and which of them may be attended to; None = all."""

    tokens: Float[Tensor, "B P H"]
    visible: Bool[Tensor, "B P"] | None

    def repeat(self, count: int) -> "Prefix":
        """Repeat each row `count` times, one after the other."""
        visible = None if self.visible is None else self.visible.repeat_interleave(count, dim=0)
        return Prefix(self.tokens.repeat_interleave(count, dim=0), visible)

    def visible_with(self, num_tokens: int) -> Bool[Tensor, "B N"] | None:
        """Return the mask of the prefix and as many tokens after it, all visible."""
        if self.visible is None:
            return None
        return torch.cat([self.visible, self.visible.new_ones(len(self.visible), num_tokens)], dim=1)


def stack(prefixes: Sequence[Prefix]) -> Prefix:
    """Make one batch of several."""
    visible = [prefix.visible for prefix in prefixes if prefix.visible is not None]
    assert len(visible) in (0, len(prefixes)), "all of one prompt encoder"
    return Prefix(torch.cat([prefix.tokens for prefix in prefixes]), torch.cat(visible) if visible else None)


def draw_prompts(
    batch: dict[str, Tensor],
    random: StepRandom,
    *,
    condition_dropout: float,
    single_modality: float,
    image_alone: float,
) -> Condition:
    """Draw for each sample whether it sees its image, its text, both or neither.

    Args:
        condition_dropout: probability that a modality is dropped, each on its own.
        single_modality: probability that a sample has its text alone.
        image_alone: probability that it has its image alone.
    """
    draws = random.uniform(3)
    image_only = draws[:, 0] < image_alone
    text_only = draws[:, 0] > 1 - single_modality
    return Condition(
        batch["image_tokens"],
        batch["text_tokens"],
        batch["text_mask"],
        has_image=~text_only & (draws[:, 1] >= condition_dropout),
        has_text=~image_only & (draws[:, 2] >= condition_dropout),
    )


def check_dropout(condition_dropout: float, single_modality: float, image_alone: float) -> None:
    """Refuse probabilities that are none."""
    if not 0 <= condition_dropout <= 1:
        raise ConfigError(f"condition_dropout is {condition_dropout}; it must lie in [0, 1]")
    if min(single_modality, image_alone) < 0 or single_modality + image_alone > 1:
        raise ConfigError(
            f"text alone (single_modality) {single_modality}, image alone (image_alone) {image_alone}: these are "
            "probabilities and must not add up to more than 1"
        )


class ConditionTokens(nn.Module):
    """Bring image and text tokens to one width, with a type embedding each and a learned token for "absent".

    Args:
        num_image_tokens: as in `TokenShape`.
    """

    def __init__(self, width: int, *, image_width: int, text_width: int, num_image_tokens: int = 0) -> None:
        super().__init__()
        if num_image_tokens:
            self.image_projection: nn.Module = StandardizedProjection(
                image_width, width, num_positions=num_image_tokens
            )
            self.text_projection: nn.Module = StandardizedProjection(text_width, width, num_positions=0)
        else:
            self.image_projection = nn.Sequential(nn.LayerNorm(image_width), nn.Linear(image_width, width))
            self.text_projection = nn.Sequential(nn.LayerNorm(text_width), nn.Linear(text_width, width))
        self.image_type = nn.Parameter(torch.randn(width) * 0.02)
        self.text_type = nn.Parameter(torch.randn(width) * 0.02)
        self.absent = nn.Parameter(torch.randn(NUM_ABSENT, width) * 0.02)

    def forward(self, condition: Condition) -> tuple[Float[Tensor, "B T H"], Bool[Tensor, "B T"]]:
        """Return all tokens and which of them are visible (at least one a row)."""
        image = self.image_projection(condition.image_tokens) + self.image_type
        text = self.text_projection(condition.text_tokens) + self.text_type
        tokens = torch.cat([self.absent.expand(len(image), -1, -1), image, text], dim=1)
        has_image, has_text = condition.has_image[:, None], condition.has_text[:, None]
        visible = torch.cat(
            [~has_image, ~has_text, has_image.expand(-1, image.shape[1]), has_text & condition.text_mask], dim=1
        )
        # an image *and* a text leave no "absent" token, but then the image's tokens are there
        return tokens, visible


class PromptEncoder(nn.Module):
    """From prompts to prefix tokens, by prefix learning; as they are with `num_prefix` 0, the ablation."""

    def __init__(
        self,
        width: int,
        *,
        image_width: int,
        text_width: int,
        num_prefix: int,
        num_heads: int,
        num_image_tokens: int = 0,
    ) -> None:
        super().__init__()
        self.condition_tokens = ConditionTokens(
            width, image_width=image_width, text_width=text_width, num_image_tokens=num_image_tokens
        )
        self.learner = PrefixLearner(width, num_prefix=num_prefix, num_heads=num_heads) if num_prefix else None

    def forward(self, condition: Condition) -> Prefix:
        tokens, visible = self.condition_tokens(condition)
        return Prefix(tokens, visible) if self.learner is None else Prefix(self.learner(tokens, visible), None)


class PrefixLearner(nn.Module):
    """P learnable tokens → cross-attention to the condition → feed-forward → prefix tokens."""

    def __init__(self, width: int, *, num_prefix: int, num_heads: int, depth: int = 1) -> None:
        super().__init__()
        self.queries = learned_tokens(num_prefix, width)
        self.blocks = nn.ModuleList(CrossBlock(width, num_heads=num_heads, context_width=width) for _ in range(depth))

    def forward(self, tokens: Float[Tensor, "B T H"], visible: Bool[Tensor, "B T"]) -> Float[Tensor, "B P H"]:
        prefix = self.queries.expand(len(tokens), -1, -1)
        for block in self.blocks:
            prefix = block(prefix, tokens, visible=visible)
        return prefix
