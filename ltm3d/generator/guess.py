"""x̂ as an input of a generator: what LTR guesses, at the positions that are to be predicted.

The paper puts a mask token there and lets x̂ in by the known tokens alone (reconstruction-guided sampling). Here the
input at a masked position is the mask token plus a linear map of x̂ (docs/learning.md). In training x̂ comes from the
frozen module, with noise, since the module knows its training objects better than others; and some samples see none,
so that the same weights work without.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ltm3d.errors import ConfigError
from ltm3d.generator.ltr import LTR
from ltm3d.generator.prefix import Condition
from ltm3d.generator.token_model import TokenModel, TokenShape
from ltm3d.nn.randomness import StepRandom

# B batch, L tokens, D token channels, H width


@dataclass(frozen=True)
class Guess:
    """x̂ of a batch, normalised tokens, and which rows may see it."""

    tokens: Float[Tensor, "B L D"]
    given: Bool[Tensor, " B"]

    def with_branches(self, num_branches: int) -> "Guess":
        """Stack the branches of guidance: the prompt's own sees x̂, those that it is compared with do not."""
        withheld = torch.zeros_like(self.given)
        given = torch.cat([self.given, *[withheld] * (num_branches - 1)])
        return Guess(self.tokens.repeat(num_branches, 1, 1), given)


class GuessInput(nn.Module):
    """A linear map of x̂; nothing where it is withheld."""

    def __init__(self, token_dim: int, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(token_dim, width)
        nn.init.zeros_(self.project.bias)

    def forward(self, guess: Guess) -> Float[Tensor, "B L H"]:
        mapped = self.project(guess.tokens)
        return torch.where(guess.given[:, None, None], mapped, torch.zeros_like(mapped))


class GuessedModel(TokenModel):
    """A model that may read x̂; the module that gives it in training is no part of its weights."""

    def __init__(self, config: Any, shape: TokenShape) -> None:
        super().__init__(config, shape)
        self._ltr: tuple[LTR, ...] = ()

    @property
    def takes_guess(self) -> bool:
        """Whether x̂ is an input."""
        raise NotImplementedError

    def set_ltr(self, ltr: LTR) -> None:
        """Take the frozen module whose x̂ takes part in training."""
        self._ltr = (ltr.eval().requires_grad_(False),)  # a tuple is not registered

    @torch.no_grad()
    def reconstruct(self, prompts: Condition) -> Float[Tensor, "B L D"]:
        """Return x̂ of the prompts; no gradient reaches the module, or the prompts through it."""
        assert self._ltr, "call set_ltr before training"
        return self._ltr[0].to(prompts.image_tokens.device)(prompts)

    def guess_of(self, reconstructed: Tensor | None, num_branches: int) -> Guess | None:
        """Return what sampling gives to the model; None where there is no x̂, or the model does not take it."""
        if reconstructed is None or not self.takes_guess:
            return None
        given = torch.ones(len(reconstructed), dtype=torch.bool, device=reconstructed.device)
        return Guess(reconstructed, given).with_branches(num_branches)


def draw_guess(
    reconstructed: Float[Tensor, "B L D"], prompts: Condition, random: StepRandom, *, noise: float, dropout: float
) -> Guess:
    """Return x̂ as training sees it.

    Args:
        noise: bound s; each sample's noise has a standard deviation drawn from U(0, s).
        dropout: share of the samples from which x̂ is withheld, as it is from those without a prompt.
    """
    draws = random.uniform(2)
    noisy = reconstructed + noise * draws[:, :1, None] * random.normal(*reconstructed.shape[1:])
    return Guess(noisy, (draws[:, 1] >= dropout) & (prompts.has_image | prompts.has_text))


def check_guess(guess_noise: float, guess_dropout: float) -> None:
    """Refuse what cannot be drawn.

    Raises:
        ConfigError: with the setting, its value and the limit.
    """
    if guess_noise < 0:
        raise ConfigError(f"guess_noise is {guess_noise}; it must be 0 (none) or more")
    if not 0 <= guess_dropout <= 1:
        raise ConfigError(f"guess_dropout is {guess_dropout}; it must lie in [0, 1]")
