"""Losses on a field's gradient: a distance rises by one a unit of length, and along the surface's normal."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

# B batch, Q points


def field_gradients(
    field: Callable[[Float[Tensor, "B Q 3"]], Float[Tensor, "B Q"]], points: Float[Tensor, "B Q 3"]
) -> Float[Tensor, "B Q 3"]:
    """Return ∇ field at the points, through which a loss reaches the field's parameters.

    In validation, where no gradient is recorded, the result has none either.
    """
    trains = torch.is_grad_enabled()
    with torch.enable_grad():
        at = points.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(field(at).sum(), at, create_graph=trains)
    return gradient


def eikonal_loss(gradients: Float[Tensor, "*any 3"]) -> Float[Tensor, ""]:
    """Return mean (|∇d| − 1)² (Gropp et al. 2020, "Implicit geometric regularization", equation 3)."""
    return (_lengths(gradients) - 1).square().mean()


def normal_loss(gradients: Float[Tensor, "*any 3"], normals: Float[Tensor, "*any 3"]) -> Float[Tensor, ""]:
    """Return mean 1 − cos(∇d, n): 0 where the field rises outward along the normal, 2 where it falls."""
    return 1 - ((gradients * normals).sum(dim=-1) / _lengths(gradients)).mean()


def _lengths(gradients: Float[Tensor, "*any 3"]) -> Float[Tensor, "*any"]:
    return (gradients.square().sum(dim=-1) + 1e-12).sqrt()  # a gradient of 0 has a derivative, too
