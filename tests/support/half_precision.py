"""What is computed under bf16 autocast against fp32."""

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn

Loss = Callable[[], tuple[Tensor, Mapping[str, Tensor]]]


def assert_same_in_bf16(model: nn.Module, loss_of: Loss, *, likeness: float = 0.99) -> None:
    """Compare a loss, its terms and the direction of its whole gradient: bf16 may cost digits, not make noise.

    Args:
        likeness: least cosine of the two gradients.
    """
    losses, gradients = [], []
    for enabled in (False, True):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss, terms = loss_of()
        loss.backward()
        losses.append({"loss": float(loss.detach()), **{name: float(value.detach()) for name, value in terms.items()}})
        grads = [value.grad for value in model.parameters() if value.grad is not None]
        gradients.append(torch.cat([grad.float().flatten() for grad in grads]))
    model.zero_grad()
    assert losses[1] == pytest.approx(losses[0], rel=0.03, abs=0.01)
    assert float(torch.cosine_similarity(*gradients, dim=0)) > likeness
