"""Which examples a step reads: a pure function of (seed, step), whatever the number of workers.

Positions are indices in the global batch, 0 … B - 1; rank r of W holds the contiguous slice r·B/W … (r + 1)·B/W - 1.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ltm3d.nn.randomness import mix

_ORDER, _VALIDATION = 0x6F72646572, 0x76616C6964  # keep the streams of one seed apart


class ExampleSet(Protocol):
    """What a model trains on; `example` may draw, from `rng` only."""

    def __len__(self) -> int: ...

    def example(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]: ...


def example_names(examples: ExampleSet, indices: Sequence[int]) -> list[str]:
    """Name some examples: by their assets' uids where the set knows them, else by their numbers."""
    uids = getattr(examples, "uids", None)
    return [str(index) if uids is None else uids[index] for index in indices]


@lru_cache(maxsize=4)
def epoch_order(seed: int, epoch: int, size: int) -> np.ndarray:
    """Return the order in which an epoch visits `size` examples, each once."""
    return np.random.default_rng([_ORDER, seed, epoch]).permutation(size)


def batch_indices(positions: Sequence[int], *, seed: int, step: int, batch_size: int, size: int) -> list[int]:
    """Return the examples at the given positions of a step's global batch. Epochs follow each other without a gap."""
    visits = [step * batch_size + position for position in positions]
    return [int(epoch_order(seed, visit // size, size)[visit % size]) for visit in visits]


def rank_positions(rank: int, world_size: int, batch_size: int) -> range:
    """Return a rank's contiguous share of the positions; `batch_size` is a multiple of `world_size`."""
    share = batch_size // world_size
    return range(rank * share, (rank + 1) * share)


def training_batch(
    examples: ExampleSet, positions: Sequence[int], *, seed: int, step: int, batch_size: int
) -> dict[str, Tensor]:
    """Read the examples at some positions of a step; each may draw from (seed, step, position)."""
    indices = batch_indices(positions, seed=seed, step=step, batch_size=batch_size, size=len(examples))
    rngs = [np.random.default_rng([seed, step, position]) for position in positions]
    return _stack([examples.example(index, rng) for index, rng in zip(indices, rngs, strict=True)])


def validation_batch(examples: ExampleSet, indices: Sequence[int], *, seed: int) -> dict[str, Tensor]:
    """Read some validation examples, with the same draws each time."""
    return _stack([examples.example(index, np.random.default_rng([_VALIDATION, seed, index])) for index in indices])


def validation_seed(seed: int) -> int:
    """Return the seed of the model's draws in validation."""
    return mix(seed, _VALIDATION)


def _stack(rows: Sequence[dict[str, np.ndarray]]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}
