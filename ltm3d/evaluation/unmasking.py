"""The generation of one shape, step by step: which tokens are known, and what they would decode to."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ltm3d.generator.prefix import Condition
from ltm3d.generator.sampling import SamplingConfig
from ltm3d.generator.shape_models import ShapeModels

# S steps, L tokens, D token channels


@dataclass(frozen=True, eq=False)
class Unmasking:
    """Tokens before the first step and after each.

    Attributes:
        tokens: not normalised, [S + 1, L, D]; those that are not known yet are LTR's guess x̂.
        known_at: step, from 1, after which a token is known.
    """

    tokens: Float[Tensor, "S1 L D"]
    known_at: Int[Tensor, " L"]


def record_unmasking(models: ShapeModels, condition: Condition, *, seed: int, config: SamplingConfig) -> Unmasking:
    """Generate one sample of one prompt as `ShapeModels.generate` does, and keep every step.

    The last step's tokens are those that a batch with this prompt and seed gives, up to rounding. A model that makes
    all tokens at once has one step.
    """
    seen: list[Tensor] = []
    models.generate(
        condition, seeds=[seed], config=config, on_step=lambda step, num_steps, tokens: seen.append(tokens[0].clone())
    )
    guess = models.reconstruct(condition)[0]
    known = torch.stack([(tokens != 0).any(dim=-1) for tokens in seen])  # unknown ones are 0 throughout
    steps = [guess, *(torch.where(mask[:, None], tokens, guess) for mask, tokens in zip(known, seen, strict=True))]
    return Unmasking(
        tokens=models.tokenizer.denormalize(torch.stack(steps)).cpu(),
        known_at=(1 + (~known).sum(dim=0)).cpu(),
    )
