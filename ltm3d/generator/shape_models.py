"""The three trained parts that turn condition tokens into a shape: tokenizer, LTR, generator."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ltm3d.errors import ModelError
from ltm3d.generator.dit import Dit
from ltm3d.generator.kinds import AnyGenerator, load_generator
from ltm3d.generator.ltr import LTR
from ltm3d.generator.prefix import Condition
from ltm3d.generator.sampling import OnStep, SamplingConfig, sample_at_once, sample_tokens
from ltm3d.nn.weights import load_config, weights_hash
from ltm3d.tokenizers.kinds import load_tokenizer
from ltm3d.tokenizers.tokenizer import Tokenizer

# B batch, L tokens, D token channels


def check_trained_on(tokenizer: Path, *folders: Path) -> None:
    """Check that models were trained on the tokens of a tokenizer; of their folders only config.json is read.

    Raises:
        ModelError: a folder holds no model, or was trained on another tokenizer's tokens.
    """
    expected = weights_hash(tokenizer)
    for folder in folders:
        found = load_config(folder).get("tokenizer_hash")
        if found != expected:
            raise ModelError(
                f"{folder} was trained on tokens of tokenizer {found}, {tokenizer} is {expected}; "
                "retrain it (dvc repro)"
            )


@dataclass(frozen=True)
class ShapeModels:
    """Frozen models that were trained on one another's tokens; made by `ShapeModels.load`."""

    tokenizer: Tokenizer
    ltr: LTR
    generator: AnyGenerator

    @classmethod
    def load(cls, *, tokenizer: Path, ltr: Path, generator: Path) -> "ShapeModels":
        """Read three model folders.

        Raises:
            ModelError: a folder holds no model, or was trained on another tokenizer's tokens.
        """
        check_trained_on(tokenizer, ltr, generator)
        return cls(load_tokenizer(tokenizer), LTR.load(ltr), load_generator(generator))

    @torch.no_grad()
    def reconstruct(self, condition: Condition) -> Float[Tensor, "B L D"]:
        """Guess the normalised tokens at once: x̂."""
        return self.ltr(condition)

    def generate(
        self,
        condition: Condition,
        *,
        seeds: Sequence[int],
        config: SamplingConfig,
        on_step: OnStep | None = None,
    ) -> Float[Tensor, "B L D"]:
        """Generate tokens, not normalised: ready to decode; seeds as in `sample_tokens`."""
        is_guided = config.alpha_schedule != "off" and not isinstance(self.generator, Dit)
        needs_guess = is_guided or (self.generator.takes_guess and config.use_guess)
        guess = self.reconstruct(condition) if needs_guess else None  # once, whatever the steps
        if isinstance(self.generator, Dit):
            tokens = sample_at_once(
                self.generator, condition, config=config, seeds=seeds, reconstructed=guess, on_step=on_step
            )
        else:
            tokens = sample_tokens(
                self.generator, condition, config=config, seeds=seeds, reconstructed=guess, on_step=on_step
            )
        return self.tokenizer.denormalize(tokens)
