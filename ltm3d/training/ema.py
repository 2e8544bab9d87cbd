"""Exponential moving average of a model's parameters, with a warm-up of the decay."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class ParameterAverage:
    """Average of the trainable parameters, in fp32.

    The decay of step t is min(decay, (1 + t) / (10 + t)), so that a short run is not dominated by its start.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.averages = {name: value.detach().float().clone() for name, value in _trainable(module)}

    def decay_at(self, step: int) -> float:
        """Return the decay of a step, counted from 0."""
        return min(self.decay, (1 + step) / (10 + step))

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Move the averages towards the parameters as they are after a step."""
        for name, value in _trainable(module):
            self.averages[name].lerp_(value.detach().float(), 1 - self.decay_at(step))

    @contextmanager
    def applied_to(self, module: nn.Module) -> Iterator[None]:
        """Lend the averages to the module, and give it back its own parameters at the end."""
        own = {name: value.detach().clone() for name, value in _trainable(module)}
        self._copy(self.averages, module)
        try:
            yield
        finally:
            self._copy(own, module)

    def load(self, averages: Mapping[str, Tensor]) -> None:
        """Take over the averages of a checkpoint."""
        for name, value in self.averages.items():
            value.copy_(averages[name])

    @torch.no_grad()
    def _copy(self, source: Mapping[str, Tensor], module: nn.Module) -> None:
        for name, value in _trainable(module):
            value.copy_(source[name])


def _trainable(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, value) for name, value in module.named_parameters() if value.requires_grad)
