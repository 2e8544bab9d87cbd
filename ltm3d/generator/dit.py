"""The baseline: a diffusion transformer that denoises all tokens at once by flow matching (DiT, Peebles & Xie 2023).

It sees the same prompts through the same prefix and has the same budget, so that what masked auto-regression brings
can be told.
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ltm3d.diffusion.flow_matching import FlowMatching
from ltm3d.errors import ConfigError
from ltm3d.generator.guess import Guess, GuessedModel, GuessInput, check_guess, draw_guess
from ltm3d.generator.prefix import Condition, Prefix, PromptEncoder, check_dropout, draw_prompts
from ltm3d.generator.token_model import TokenShape
from ltm3d.nn.attention import Attention
from ltm3d.nn.embeddings import TimeEmbedding
from ltm3d.nn.randomness import StepRandom
from ltm3d.nn.transformer import FeedForward, check_sizes, learned_tokens

# B batch, L tokens, D token channels, P prefix tokens, H width


@dataclass(frozen=True, kw_only=True)
class DitConfig:
    """Sizes and training choices; see `GeneratorConfig` for what they share.

    Attributes:
        takes_guess: a map of LTR's x̂ is added to every token.
    """

    kind: Literal["dit"] = "dit"
    width: int
    depth: int
    num_heads: int
    num_prefix: int
    condition_dropout: float = 0.1
    single_modality: float = 0.25
    image_alone: float = 0.5
    takes_guess: bool = False
    guess_noise: float = 0.2
    guess_dropout: float = 0.1
    flow: FlowMatching = field(default_factory=FlowMatching)

    def __post_init__(self) -> None:
        check_sizes(self, "depth")
        check_guess(self.guess_noise, self.guess_dropout)
        if self.num_prefix < 1:
            raise ConfigError(f"num_prefix is {self.num_prefix}; it must be at least 1")
        check_dropout(self.condition_dropout, self.single_modality, self.image_alone)


class Dit(GuessedModel):
    """Model p(tokens | prompt) as one flow from noise to all tokens."""

    config_type = DitConfig
    config: DitConfig

    def __init__(self, config: DitConfig, shape: TokenShape) -> None:
        super().__init__(config, shape)
        self.prompt_encoder = PromptEncoder(
            config.width,
            image_width=shape.image_width,
            text_width=shape.text_width,
            num_prefix=config.num_prefix,
            num_heads=config.num_heads,
            num_image_tokens=shape.num_image_tokens,
        )
        self.embed = nn.Linear(shape.token_dim, config.width)
        self.guess_input = GuessInput(shape.token_dim, config.width) if config.takes_guess else None
        self.position = learned_tokens(config.num_prefix + shape.num_tokens, config.width)
        self.embed_time = TimeEmbedding(config.width)
        self.blocks = nn.ModuleList(
            ModulatedTransformerBlock(config.width, num_heads=config.num_heads) for _ in range(config.depth)
        )
        self.final_modulation = nn.Linear(config.width, 2 * config.width)
        self.to_tokens = nn.Linear(config.width, shape.token_dim)
        for layer in (self.final_modulation, self.to_tokens):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    @property
    def takes_guess(self) -> bool:
        return self.config.takes_guess

    def encode_prefix(self, condition: Condition) -> Prefix:
        """Turn prompts into prefix tokens; once a prompt."""
        return self.prompt_encoder(condition)

    def forward(
        self, x_t: Float[Tensor, "B L D"], t: Float[Tensor, " #B"], prefix: Prefix, guess: Guess | None = None
    ) -> Float[Tensor, "B L D"]:
        """Predict the velocity of all tokens.

        Args:
            guess: x̂, where the model takes it; None = withheld.
        """
        modulation = F.silu(self.embed_time(t))[:, None]
        tokens = self.embed(x_t)
        if guess is not None:
            assert self.guess_input is not None, "built with takes_guess"
            tokens = tokens + self.guess_input(guess)
        x = torch.cat([prefix.tokens, tokens], dim=1) + self.position
        for block in self.blocks:
            x = block(x, modulation)
        shift, scale = self.final_modulation(modulation).chunk(2, dim=-1)
        x = x[:, self.config.num_prefix :]
        return self.to_tokens(F.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift)

    def training_loss(self, batch: dict[str, Tensor], random: StepRandom) -> tuple[Tensor, dict[str, Tensor]]:
        """Regress the velocity at one time a sample; batch as `Generator.training_loss`."""
        num_tokens, token_dim = batch["mean"].shape[1:]
        tokens = batch["mean"] + batch["std"] * random.normal(num_tokens, token_dim)
        config = self.config
        prompts = draw_prompts(
            batch,
            random,
            condition_dropout=config.condition_dropout,
            single_modality=config.single_modality,
            image_alone=config.image_alone,
        )
        prefix = self.encode_prefix(prompts)
        noise, normal = random.normal(num_tokens, token_dim), random.normal(1)[:, 0]
        guess = None
        if self.takes_guess:
            guess = draw_guess(
                self.reconstruct(prompts), prompts, random, noise=config.guess_noise, dropout=config.guess_dropout
            )
        loss = config.flow.loss(lambda x_t, t: self(x_t, t, prefix, guess), tokens, noise, normal).mean()
        return loss, {}


class ModulatedTransformerBlock(nn.Module):
    """Self-attention and feed-forward, each x + gate · f(norm(x) · (1 + scale) + shift); gates begin at zero."""

    one_program = recomputable = True

    def __init__(self, width: int, *, num_heads: int) -> None:
        super().__init__()
        self.modulation = nn.Linear(width, 6 * width)
        self.attention = Attention(width, num_heads=num_heads)
        self.feed_forward = FeedForward(width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Float[Tensor, "B N H"], modulation: Float[Tensor, "#B 1 H"]) -> Float[Tensor, "B N H"]:
        shift, scale, gate, shift_2, scale_2, gate_2 = self.modulation(modulation).chunk(6, dim=-1)
        x = x + gate * self.attention(F.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift)
        return x + gate_2 * self.feed_forward(F.layer_norm(x, x.shape[-1:]) * (1 + scale_2) + shift_2)
