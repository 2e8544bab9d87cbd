"""Exponential moving average of the parameters, with a warm-up of the decay, in parts as the workers hold them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ltm3d.errors import ModelError
from ltm3d.training.layout import Layout

_FILE = "average-{:05d}.safetensors"  # a worker's parts; the key of one is "start:name of the parameter"
_FILES = "average-*.safetensors"


class ParameterAverage:
    """Average of the trainable parameters, in fp32; a worker keeps it for the parts it is responsible for.

    The decay of step t is min(decay, (1 + t) / (10 + t)), so that a short run is not dominated by its start.
    """

    def __init__(self, layout: Layout, decay: float) -> None:
        self.layout = layout
        self.decay = decay
        self.averages = {(name, start): values.float().clone() for name, start, values in layout.parts()}

    def decay_at(self, step: int) -> float:
        """Return the decay of a step, counted from 0."""
        return min(self.decay, (1 + step) / (10 + step))

    @torch.no_grad()
    def update(self, step: int, taken: Tensor) -> None:
        """Move the averages towards the parameters as they are after a step.

        Args:
            taken: [] bool; False = the step was skipped, and the averages stay as they are.
        """
        weight = taken.float() * (1 - self.decay_at(step))
        for name, start, values in self.layout.parts():
            self.averages[name, start].lerp_(values.float(), weight.to(values.device))

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Lend the averages to the model, and give it back its own parameters at the end; all workers call it."""
        own = {(name, start): values.clone() for name, start, values in self.layout.parts()}
        self._write(self.averages)
        try:
            yield
        finally:
            self._write(own)

    def save(self, folder: Path, rank: int) -> None:
        """Write this worker's parts into a folder."""
        if self.layout.owner:
            state = {f"{start}:{name}": values.cpu() for (name, start), values in self.averages.items()}
            save_file(state, folder / _FILE.format(rank))

    def load(self, folder: Path) -> None:
        """Take over the averages of a checkpoint, of any number of workers and any ZeRO stage.

        Raises:
            ModelError: not all of this worker's parts are there.
        """
        missing = sum(len(values) for values in self.averages.values())
        for path in sorted(folder.glob(_FILES)):
            with safe_open(path, framework="pt") as file:
                for key in file.keys():  # noqa: SIM118 (no mapping)
                    first, _, name = key.partition(":")
                    saved = file.get_slice(key)
                    missing -= self._fill(name, int(first), saved.get_shape()[0], saved)
        if missing:
            raise ModelError(f"{folder} lacks {missing} numbers of the moving average; delete it to go on from before")

    def _fill(self, name: str, first: int, count: int, saved: Tensor) -> int:
        """Copy the overlap of a saved part with this worker's; return its length."""
        filled = 0
        for (own_name, start), values in self.averages.items():
            low, high = max(first, start), min(first + count, start + len(values))
            if own_name == name and low < high:
                values[low - start : high - start].copy_(saved[low - first : high - first])
                filled += high - low
        return filled

    @torch.no_grad()
    def _write(self, source: dict[tuple[str, int], Tensor]) -> None:
        for name, start, values in self.layout.parts():
            values.copy_(source[name, start])
        self.layout.spread()
