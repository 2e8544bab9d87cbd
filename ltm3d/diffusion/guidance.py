"""Classifier-free guidance (Ho & Salimans 2022)."""

from jaxtyping import Float
from torch import Tensor


def guide(
    conditional: Float[Tensor, "N *D"], unconditional: Float[Tensor, "N *D"], scale: float
) -> Float[Tensor, "N *D"]:
    """Return unconditional + scale · (conditional − unconditional); scale 1 is the conditional branch."""
    return unconditional + scale * (conditional - unconditional)


def linear_guidance(scale: float, *, num_known: int, num_tokens: int) -> float:
    """Grow guidance from 1 to `scale` as the known tokens grow (MAR, Li et al. 2024, section 4.2)."""
    return 1.0 + (scale - 1.0) * num_known / num_tokens
