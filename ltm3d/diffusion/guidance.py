"""Classifier-free guidance (Ho & Salimans 2022), and for image and text apart (Brooks et al. 2023, equation 3)."""

from jaxtyping import Float
from torch import Tensor


def guide(
    conditional: Float[Tensor, "N *D"], unconditional: Float[Tensor, "N *D"], scale: float
) -> Float[Tensor, "N *D"]:
    """Return unconditional + scale · (conditional − unconditional); scale 1 is the conditional branch."""
    return unconditional + scale * (conditional - unconditional)


def guide_each(
    both: Float[Tensor, "N *D"],
    image: Float[Tensor, "N *D"],
    unconditional: Float[Tensor, "N *D"],
    *,
    image_scale: float,
    text_scale: float,
) -> Float[Tensor, "N *D"]:
    """Return unconditional + s_image · (image − unconditional) + s_text · (both − image)."""
    return unconditional + image_scale * (image - unconditional) + text_scale * (both - image)


def linear_guidance(scale: float, *, num_known: int, num_tokens: int) -> float:
    """Grow guidance from 1 to `scale` as the known tokens grow (MAR, Li et al. 2024, section 4.2)."""
    return 1.0 + (scale - 1.0) * num_known / num_tokens
