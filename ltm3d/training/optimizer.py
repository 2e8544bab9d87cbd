"""AdamW with and without weight decay, and the guard against steps that are not finite."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ltm3d.errors import ConfigError
from ltm3d.training.config import TrainingConfig


def build_optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.AdamW:
    """Return AdamW with one group with weight decay and one without."""
    decayed, others = split_by_decay(model)
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=config.learning_rate, betas=config.betas, fused=True
    )


def split_by_decay(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Part the trainable parameters into those with weight decay and those without.

    Raises:
        ConfigError: the model's `no_weight_decay` names something it does not have.
    """
    exempt: Sequence[str] = getattr(model, "no_weight_decay", ())
    names = {name for name, _ in model.named_modules()} | {name for name, _ in model.named_parameters()}
    unknown = [name for name in exempt if name not in names]
    if unknown:
        raise ConfigError(f"{type(model).__name__}.no_weight_decay names {', '.join(unknown)}, which it does not have")
    decayed: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            is_exempt = parameter.ndim < 2 or any(name == prefix or name.startswith(prefix + ".") for prefix in exempt)
            (others if is_exempt else decayed).append(parameter)
    return decayed, others


def set_learning_rate(groups: Iterable[dict[str, Any]], learning_rate: float) -> None:
    """Give every group the step's learning rate."""
    for group in groups:
        group["lr"] = learning_rate


def carry_fault(loss: Tensor) -> Tensor:
    """Return the loss to be differentiated: of one that is not finite every gradient is NaN.

    Through the sum of the gradients all workers learn of it, without a message of its own.
    """
    return loss * torch.where(loss.detach().isfinite(), 1.0, float("nan"))


def clip_or_skip(optimizer: torch.optim.AdamW, parameters: Sequence[nn.Parameter], grad_clip: float) -> Tensor:
    """Clip the gradients and return their norm before; one that is not finite makes the optimizer's next step void.

    The fused kernel leaves parameters, moments and step counts as they are where `found_inf` is 1; the CPU waits for
    nothing. A parameter without a gradient counts as one with a zero gradient, as in DeepSpeed.
    """
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    norm = nn.utils.clip_grad_norm_(parameters, grad_clip or float("inf"))
    optimizer.found_inf = (~norm.isfinite()).float()  # type: ignore[attr-defined]
    return norm
