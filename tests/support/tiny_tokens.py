"""Small token sets and their batches, for all tests of the generator."""

import torch

from ltm3d.generator.prefix import Condition
from ltm3d.generator.token_model import TokenShape
from ltm3d.nn.randomness import StepRandom

SHAPE = TokenShape(num_tokens=8, token_dim=4, image_width=12, text_width=10)


def randomize(module: torch.nn.Module, std: float = 0.2) -> None:
    """Give zero-initialised layers weights, as training would."""
    for parameter in module.parameters():
        if not bool(parameter.any()):
            torch.nn.init.normal_(parameter, std=std)


def rows(condition: Condition, index: list[int]) -> Condition:
    """Some of the prompts."""
    return Condition(
        condition.image_tokens[index],
        condition.text_tokens[index],
        condition.text_mask[index],
        condition.has_image[index],
        condition.has_text[index],
    )


def batch_of(condition: Condition) -> dict[str, torch.Tensor]:
    """Four shapes' tokens with the prompts of a condition."""
    random = torch.Generator().manual_seed(5)
    return {
        "mean": torch.randn(4, 8, 4, generator=random),
        "std": torch.zeros(4, 8, 4),
        "image_tokens": condition.image_tokens,
        "text_tokens": condition.text_tokens,
        "text_mask": condition.text_mask,
    }


def memorise(model: torch.nn.Module, batch: dict[str, torch.Tensor], num_steps: int) -> None:
    """Train on the same four shapes again and again."""
    torch.manual_seed(0)
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=3e-3, weight_decay=0.0)
    for step in range(num_steps):
        loss, _ = model.training_loss(batch, StepRandom(0, step, range(4)))  # type: ignore[operator]
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval()


def is_nearest(tokens: torch.Tensor, truth: torch.Tensor) -> bool:
    """Whether each sample is far closer to its own shape than that is to any other."""
    error = (tokens - truth).square().mean(dim=(1, 2))
    nearest_other = torch.cdist(truth.flatten(1), truth.flatten(1)).square() / truth[0].numel()
    nearest_other.fill_diagonal_(torch.inf)
    return bool((error < 0.25 * nearest_other.amin(dim=1)).all())
