"""Which tokens are known and which are to be predicted, in training and in generation."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from ltm3d.errors import ConfigError
from ltm3d.nn.randomness import SampleRandom

Order = Literal["random", "raster"]
Schedule = Literal["cosine", "linear"]
MAX_STDS = 6  # beyond, nothing of a normal distribution is left to truncate


@dataclass(frozen=True, kw_only=True)
class MaskRatio:
    """Share of tokens masked in training: a normal distribution truncated to [minimum, 1] (MAR, section 4.1)."""

    center: float = 1.0
    std: float = 0.25
    minimum: float = 0.7

    def __post_init__(self) -> None:
        if not 0 < self.minimum < 1:
            raise ConfigError(f"minimum mask ratio is {self.minimum}; it must lie in (0, 1)")
        if self.std <= 0:
            raise ConfigError(f"std of the mask ratio is {self.std}; it must be above 0")
        if not self.minimum - MAX_STDS * self.std < self.center < 1 + MAX_STDS * self.std:
            raise ConfigError(
                f"center of the mask ratio is {self.center}: [{self.minimum}, 1] lies more than {MAX_STDS} of its std "
                f"{self.std} away; move it nearer or raise std"
            )

    def mean(self) -> float:
        """Return the mean of the truncated normal: μ + σ (φ(a) - φ(b)) / (Φ(b) - Φ(a)), a and b the standard bounds."""
        low, high = (self.minimum - self.center) / self.std, (1 - self.center) / self.std
        density = [math.exp(-bound * bound / 2) / math.sqrt(2 * math.pi) for bound in (low, high)]
        mass = (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2))) / 2
        return self.center + self.std * (density[0] - density[1]) / mass

    def draw_count(self, num_tokens: int, generator: torch.Generator) -> int:
        """Draw how many tokens are masked, at least one; once a global batch."""
        low = torch.special.ndtr(torch.tensor((self.minimum - self.center) / self.std, dtype=torch.float64))
        high = torch.special.ndtr(torch.tensor((1.0 - self.center) / self.std, dtype=torch.float64))
        uniform = low + (high - low) * torch.rand((), generator=generator, dtype=torch.float64)
        ratio = self.center + self.std * float(torch.special.ndtri(uniform))
        return max(1, min(num_tokens, math.ceil(ratio * num_tokens)))


def draw_orders(random: SampleRandom, num_tokens: int, order: Order) -> Int[Tensor, "B L"]:
    """Return the order of generation: a permutation a sample, or the tokens' own positions."""
    if order == "random":
        return random.permutation(num_tokens)
    return torch.arange(num_tokens, device=random.device).expand(len(random), -1)


def mask_last(order: Int[Tensor, "B L"], num_masked: int) -> Bool[Tensor, "B L"]:
    """Mask the last `num_masked` tokens of each sample's order; True = to be predicted."""
    masked = torch.zeros_like(order, dtype=torch.bool)
    return masked.scatter(1, order[:, order.shape[1] - num_masked :], True)


def known_after_steps(num_tokens: int, num_steps: int, schedule: Schedule) -> list[int]:
    """Return how many tokens are known after each step, at least one new a step.

    After step i of S floor(L r) are still unknown, r = cos(π/2 (i + 1)/S) (MAR, `cosine`) or 1 - (i + 1)/S (`linear`).
    With more steps than tokens there is one token a step, so the list is min(S, L) long; it ends at L.
    """
    if num_steps < 1:
        raise ConfigError(f"num_steps is {num_steps}; it must be at least 1")
    num_steps = min(num_steps, num_tokens)
    known = []
    before = 0
    for step in range(num_steps):
        share = (step + 1) / num_steps
        rest = math.cos(math.pi / 2 * share) if schedule == "cosine" else 1 - share
        unknown = math.floor(num_tokens * rest + 1e-9)
        remaining_steps = num_steps - step - 1
        count = min(max(num_tokens - unknown, before + 1), num_tokens - remaining_steps)
        known.append(count)
        before = count
    known[-1] = num_tokens
    return known
