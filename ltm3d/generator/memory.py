"""What one sample's activations take while the generator is trained, found by running it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ltm3d.generator.ltr import LTR, LTRConfig
from ltm3d.generator.model import Generator, GeneratorConfig
from ltm3d.generator.token_model import TokenShape
from ltm3d.nn.randomness import StepRandom

SEED = 0  # of the masks: the same share of tokens is masked whatever the batch


def activation_bytes(
    config: GeneratorConfig, shape: TokenShape, *, num_condition_tokens: int, precision: torch.dtype | None
) -> tuple[float, float]:
    """Return bytes kept for the backward pass: of a batch of any size, and of each sample beyond.

    kept(B) = a + b B, from one sample and two; parameters, and what they become in `precision`, belong to a.

    Args:
        num_condition_tokens: of the image and the text together.
        precision: of autocast; None = fp32.
    """
    torch.manual_seed(SEED)
    model = Generator(config, shape)
    model.set_ltr(LTR(LTRConfig(width=1, depth=1, num_heads=1), shape))  # nothing is kept of it
    one, two = (kept_bytes(model, example_batch(shape, num_condition_tokens, count), precision) for count in (1, 2))
    return 2 * one - two, two - one


def kept_bytes(model: nn.Module, batch: dict[str, Tensor], precision: torch.dtype | None) -> int:
    """Run a batch forward and return the bytes that autograd keeps of it, parameters left out."""
    random = StepRandom(SEED, 0, list(range(len(batch["mean"]))))
    own = {value.untyped_storage().data_ptr() for value in model.parameters()}
    with kept_storages() as kept, torch.autocast("cpu", precision, enabled=precision is not None):
        loss, _ = model.training_loss(batch, random)  # type: ignore[operator]
    total = sum(size for place, size in kept.items() if place not in own)
    del loss
    return total


@contextmanager
def kept_storages() -> Iterator[dict[int, int]]:
    """Note the address and the size of each storage that autograd keeps."""
    kept: dict[int, int] = {}
    alive: list[Any] = []  # an address is one storage's only while it lives

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        alive.append(storage)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        yield kept


def example_batch(shape: TokenShape, num_condition_tokens: int, count: int) -> dict[str, Tensor]:
    """Return a batch of random tokens and prompts, half of whose tokens are the text's."""
    num_text = num_condition_tokens // 2
    return {
        "mean": torch.randn(count, shape.num_tokens, shape.token_dim),
        "std": torch.full((count, shape.num_tokens, shape.token_dim), 0.1),
        "image_tokens": torch.randn(count, num_condition_tokens - num_text, shape.image_width),
        "text_tokens": torch.randn(count, num_text, shape.text_width),
        "text_mask": torch.ones(count, num_text, dtype=torch.bool),
    }
