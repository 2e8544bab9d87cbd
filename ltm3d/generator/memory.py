"""What one sample's activations take while the generator is trained, found by running it."""

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
    kept: dict[int, torch.UntypedStorage] = {}  # by address, which is one storage's only while it lives

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", precision, enabled=precision is not None):
        model.training_loss(batch, StepRandom(SEED, 0, list(range(len(batch["mean"])))))  # type: ignore[operator]
    own = {value.untyped_storage().data_ptr() for value in model.parameters()}
    return sum(storage.nbytes() for address, storage in kept.items() if address not in own)


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
