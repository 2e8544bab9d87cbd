"""Latent Token Reconstruction: a direct guess x̂ of all shape tokens from the prompt (LTM3D), trained on its own."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ltm3d.errors import ConfigError
from ltm3d.generator.prefix import Condition, ConditionTokens
from ltm3d.generator.token_model import TokenModel, TokenShape
from ltm3d.nn.randomness import StepRandom
from ltm3d.nn.transformer import Block, CrossBlock, check_sizes, learned_tokens


@dataclass(frozen=True, kw_only=True)
class LTRConfig:
    """Sizes of LTR.

    Attributes:
        depth: self-attention layers after the cross-attention (the figure's ×D).
        single_modality: probability that a sample is trained on its text alone.
        image_alone: probability that it is trained on its image alone; None = `single_modality`. An object has several
            images, so there is more to learn of them than of its caption.
        prompt_dropout: probability that both are dropped, so that x̂ of a null prompt is the mean shape.
        token_dropout: probability, each for itself, that a token of the prompt is hidden in training: a long training
            learns few objects by heart otherwise.
    """

    width: int
    depth: int
    num_heads: int
    single_modality: float = 0.25
    prompt_dropout: float = 0.02
    token_dropout: float = 0.0
    image_alone: float | None = 0.5

    def __post_init__(self) -> None:
        check_sizes(self, "depth")
        shares = (self.share_of_images, self.single_modality, self.prompt_dropout)
        if min(shares) < 0 or sum(shares) > 1:
            raise ConfigError(
                "image alone {}, text alone (single_modality) {}, neither (prompt_dropout) {}: these are probabilities "
                "and must not add up to more than 1".format(*shares)
            )
        if not 0 <= self.token_dropout < 1:
            raise ConfigError(f"token_dropout is {self.token_dropout}, must be a probability below 1")

    @property
    def share_of_images(self) -> float:
        """The probability of an image alone."""
        return self.single_modality if self.image_alone is None else self.image_alone


class LTR(TokenModel):
    """L learnable tokens → cross-attention to the condition → self-attention × depth → x̂ (normalised tokens)."""

    config_type = LTRConfig
    config: LTRConfig

    def __init__(self, config: LTRConfig, shape: TokenShape) -> None:
        super().__init__(config, shape)
        self.condition_tokens = ConditionTokens(
            config.width,
            image_width=shape.image_width,
            text_width=shape.text_width,
            num_image_tokens=shape.num_image_tokens,
        )
        self.queries = learned_tokens(shape.num_tokens, config.width)
        self.to_condition = CrossBlock(config.width, num_heads=config.num_heads, context_width=config.width)
        self.blocks = nn.ModuleList(Block(config.width, num_heads=config.num_heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        self.to_tokens = nn.Linear(config.width, shape.token_dim)

    def forward(self, condition: Condition, random: StepRandom | None = None) -> Float[Tensor, "B L D"]:
        """Guess all tokens; in training mode `random` hides some of the prompt's."""
        tokens, visible = self.condition_tokens(condition)
        if self.training and random is not None and self.config.token_dropout:
            visible = hide(visible, random.uniform(visible.shape[1]), self.config.token_dropout)
        x = self.to_condition(self.queries.expand(len(tokens), -1, -1), tokens, visible=visible)
        for block in self.blocks:
            x = block(x)
        return self.to_tokens(self.norm(x))

    def training_loss(self, batch: dict[str, Tensor], random: StepRandom) -> tuple[Tensor, dict[str, Tensor]]:
        """Regress the posterior's mean in smooth L1.

        Batch: `mean` [B, L, D] of the normalised latents, `image_tokens`, `text_tokens`, `text_mask`.
        """
        config = self.config
        draw = random.uniform(1)[:, 0]
        dropped = draw < config.prompt_dropout
        image_only = ~dropped & (draw < config.prompt_dropout + config.share_of_images)
        text_only = draw > 1 - config.single_modality
        condition = Condition(
            batch["image_tokens"],
            batch["text_tokens"],
            batch["text_mask"],
            has_image=~dropped & ~text_only,
            has_text=~dropped & ~image_only,
        )
        predicted = self(condition, random)
        loss = F.smooth_l1_loss(predicted, batch["mean"])
        variance = batch["mean"].var(unbiased=False).clamp(min=1e-8)
        return loss, {"explained": 1 - F.mse_loss(predicted, batch["mean"]) / variance}


def hide(visible: Bool[Tensor, "B T"], draws: Float[Tensor, "B T"], share: float) -> Bool[Tensor, "B T"]:
    """Hide a share of the tokens; a row of which nothing would be left keeps all it had.

    Args:
        draws: uniform in [0, 1).
    """
    left = visible & (draws >= share)
    return torch.where(left.any(dim=1, keepdim=True), left, visible)
