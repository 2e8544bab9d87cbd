"""What is computed under bf16 autocast is what fp32 gives, but for bf16's three digits: nothing becomes noise."""

import pytest
import torch
from tiny_tokens import SHAPE, batch_of, randomize

from ltm3d.generator.dit import Dit, DitConfig
from ltm3d.generator.model import Generator
from ltm3d.generator.prefix import Condition
from ltm3d.generator.reconstruction import Reconstructor
from ltm3d.nn.randomness import StepRandom


def compare(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> None:
    """Compare the loss, its terms, and the direction of the whole gradient."""
    losses, gradients = [], []
    for enabled in (False, True):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss, terms = model.training_loss(batch, StepRandom(0, 1, range(4)))  # type: ignore[operator]
        loss.backward()
        losses.append({"loss": float(loss.detach()), **{name: float(value.detach()) for name, value in terms.items()}})
        grads = [value.grad for value in model.parameters() if value.grad is not None]
        gradients.append(torch.cat([grad.float().flatten() for grad in grads]))
    assert losses[1] == pytest.approx(losses[0], rel=0.03, abs=0.01)
    assert torch.cosine_similarity(*gradients, dim=0) > 0.99


def test_the_generator(generator: Generator, condition: Condition) -> None:
    compare(generator, batch_of(condition))


def test_the_reconstruction_module(reconstructor: Reconstructor, condition: Condition) -> None:
    compare(reconstructor, batch_of(condition))


def test_the_baseline(condition: Condition) -> None:
    torch.manual_seed(0)
    dit = Dit(DitConfig(width=32, depth=2, num_heads=4, num_prefix=3), SHAPE)
    randomize(dit)
    compare(dit, batch_of(condition))
