"""The LTM3D generator: prefix learning, masked auto-encoder, DenoiseNet (arXiv 2505.24245, pipeline figure)."""

from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ltm3d.diffusion.ddpm import Ddpm
from ltm3d.diffusion.flow_matching import FlowMatching
from ltm3d.errors import ConfigError
from ltm3d.generator.denoiser import DenoiseNet
from ltm3d.generator.guess import Guess, GuessedModel, check_guess, draw_guess
from ltm3d.generator.masked_autoencoder import MaskedAutoencoder
from ltm3d.generator.masking import MaskRatio, Order, draw_orders, mask_last
from ltm3d.generator.prefix import Condition, Prefix, PromptEncoder, check_dropout, draw_prompts
from ltm3d.generator.token_model import TokenShape
from ltm3d.nn.randomness import StepRandom
from ltm3d.nn.transformer import check_sizes

# B batch, L tokens, D token channels, P prefix tokens, H width, N masked tokens of the batch, M modulations


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Sizes and training choices of the generator.

    Attributes:
        condition_dropout: probability that a modality of a sample is dropped in training, each on its own.
        single_modality: probability that a sample is trained on its text alone.
        image_alone: probability that it is trained on its image alone.
        noise_draws: noise draws a masked token in one training step.
        num_prefix: P; 0 = no prefix learning, the condition tokens go straight into the masked auto-encoder.
        order: in which tokens become known, in training as in sampling: `random`, or `raster`, by position.
        known_corruption: upper bound of the strength with which known tokens are mixed with something else in training,
            which closes the gap to sampling, where they are mixed with x̂.
        corruption: that something: `noise`, or `reconstruction`, the x̂ of the frozen LTR.
        masked_input: what a masked position is to the decoder: the `mask_token`, as in the paper, or that and a map of
            LTR's x̂ there (`guess`; guess.py).
        guess_noise: bound of the standard deviation of the noise on x̂ in training, drawn anew for each sample.
        guess_dropout: share of the training samples that see the mask token alone.
        recompute_activations: see `run_blocks`; slower, for sizes that do not fit.
        head: `flow` or `ddpm`.
    """

    kind: Literal["masked"] = "masked"
    width: int
    encoder_depth: int
    decoder_depth: int
    num_heads: int
    num_prefix: int
    denoiser_width: int
    denoiser_depth: int
    noise_draws: int = 4
    mask_ratio: MaskRatio = field(default_factory=MaskRatio)
    condition_dropout: float = 0.1
    single_modality: float = 0.25
    image_alone: float = 0.5
    order: Order = "random"
    known_corruption: float = 0.0
    corruption: Literal["noise", "reconstruction"] = "noise"
    masked_input: Literal["mask_token", "guess"] = "mask_token"
    guess_noise: float = 0.2
    guess_dropout: float = 0.1
    recompute_activations: bool = False
    head: Literal["flow", "ddpm"] = "flow"
    flow: FlowMatching = field(default_factory=FlowMatching)
    ddpm: Ddpm = field(default_factory=Ddpm)

    def __post_init__(self) -> None:
        check_sizes(self, "encoder_depth", "decoder_depth", "denoiser_width", "denoiser_depth", "noise_draws")
        if self.num_prefix < 0:
            raise ConfigError(f"num_prefix is {self.num_prefix}; it must be 0 (no prefix learning) or more")
        if not 0 <= self.known_corruption <= 1:
            raise ConfigError(f"known_corruption is {self.known_corruption}; it must lie in [0, 1]")
        check_guess(self.guess_noise, self.guess_dropout)
        check_dropout(self.condition_dropout, self.single_modality, self.image_alone)


class Generator(GuessedModel):
    """Model p(tokens | prompt) token set by token set; tokens are normalised (`Tokenizer.normalize`)."""

    config_type = GeneratorConfig
    config: GeneratorConfig

    def __init__(self, config: GeneratorConfig, shape: TokenShape) -> None:
        super().__init__(config, shape)
        self.prompt_encoder = PromptEncoder(
            config.width,
            image_width=shape.image_width,
            text_width=shape.text_width,
            num_prefix=config.num_prefix,
            num_heads=config.num_heads,
            num_image_tokens=shape.num_image_tokens,
        )
        self.masked_autoencoder = MaskedAutoencoder(
            num_tokens=shape.num_tokens,
            token_dim=shape.token_dim,
            num_prefix=config.num_prefix,
            width=config.width,
            encoder_depth=config.encoder_depth,
            decoder_depth=config.decoder_depth,
            num_heads=config.num_heads,
            takes_guess=config.masked_input == "guess",
            recompute=config.recompute_activations,
        )
        self.denoiser = DenoiseNet(
            token_dim=shape.token_dim,
            num_outputs=config.ddpm.num_outputs(shape.token_dim) if config.head == "ddpm" else shape.token_dim,
            condition_width=config.width,
            width=config.denoiser_width,
            depth=config.denoiser_depth,
        )

    @property
    def takes_guess(self) -> bool:
        return self.config.masked_input == "guess"

    def encode_prefix(self, condition: Condition) -> Prefix:
        """Turn prompts into prefix tokens; once a prompt."""
        return self.prompt_encoder(condition)

    def token_modulations(
        self,
        prefix: Prefix,
        tokens: Float[Tensor, "B L D"],
        masked: Bool[Tensor, "B L"],
        wanted: Bool[Tensor, "B L"] | None = None,
        guess: Guess | None = None,
    ) -> Float[Tensor, "N M"]:
        """Return what steers the DenoiseNet for each masked token, row by row in position order.

        Args:
            wanted: the masked tokens to give it for, as many in every row; None = all.
            guess: x̂ for the masked positions, where the model takes it; None = withheld.
        """
        return self.denoiser.modulate(self.masked_autoencoder(prefix, tokens, masked, wanted, guess).flatten(0, 1))

    def training_loss(self, batch: dict[str, Tensor], random: StepRandom) -> tuple[Tensor, dict[str, Tensor]]:
        """Denoise the masked tokens given the prompt and the known ones.

        Batch: `mean`, `std` [B, L, D] of the normalised latents, `image_tokens`, `text_tokens`, `text_mask`.
        """
        config = self.config
        num_tokens, token_dim = batch["mean"].shape[1:]
        tokens = batch["mean"] + batch["std"] * random.normal(num_tokens, token_dim)
        num_masked = config.mask_ratio.draw_count(num_tokens, random.shared)
        masked = mask_last(draw_orders(random, num_tokens, config.order), num_masked)
        prompts = draw_prompts(
            batch,
            random,
            condition_dropout=config.condition_dropout,
            single_modality=config.single_modality,
            image_alone=config.image_alone,
        )
        prefix = self.encode_prefix(prompts)
        known, guess = self._corrupt(tokens, prompts, random), None
        if self.takes_guess:
            guess = draw_guess(
                self.reconstruct(prompts), prompts, random, noise=config.guess_noise, dropout=config.guess_dropout
            )
        modulations = self.token_modulations(prefix, known, masked, guess=guess)
        x_0 = tokens[masked].repeat_interleave(config.noise_draws, dim=0)
        noise = random.normal(num_masked * config.noise_draws, token_dim).flatten(0, 1)
        normal = random.normal(num_masked * config.noise_draws).flatten()
        head = config.flow if config.head == "flow" else config.ddpm
        loss = head.loss(lambda x_t, t: self.denoiser(x_t, t, modulations), x_0, noise, normal).mean()
        return loss, {"masked_share": torch.tensor(num_masked / num_tokens)}

    def _corrupt(
        self, tokens: Float[Tensor, "B L D"], prompts: Condition, random: StepRandom
    ) -> Float[Tensor, "B L D"]:
        if self.config.known_corruption == 0:
            return tokens
        strength = self.config.known_corruption * random.uniform(1, 1)
        is_noise = self.config.corruption == "noise"
        other = random.normal(*tokens.shape[1:]) if is_noise else self.reconstruct(prompts)
        return (1 - strength) * tokens + strength * other
