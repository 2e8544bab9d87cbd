"""Random draws that depend on the sample, never on the batch it happens to be in."""

from collections.abc import Sequence

import torch
from torch import Tensor

_MASK64 = (1 << 64) - 1


def mix(*parts: int) -> int:
    """Hash integers to one 63-bit seed (splitmix64 over the parts)."""
    state = 0x9E3779B97F4A7C15
    for part in parts:
        state = (state ^ (part & _MASK64)) & _MASK64
        state = (state + 0x9E3779B97F4A7C15) & _MASK64
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK64
        state ^= state >> 31
    return state >> 1


def seeded_generator(*parts: int) -> torch.Generator:
    """Return a CPU generator that is a function of the parts."""
    return torch.Generator().manual_seed(mix(*parts))


class SampleRandom:
    """Draws for a batch, one independent stream a sample.

    Streams live on the CPU and the draws are moved, so that a sample is the same on any device
    and whatever its neighbours are.
    """

    def __init__(self, seeds: Sequence[int], device: torch.device | str = "cpu") -> None:
        self.generators = [seeded_generator(seed) for seed in seeds]
        self.device = device

    def __len__(self) -> int:
        return len(self.generators)

    def normal(self, *shape: int) -> Tensor:
        """Draw standard normal values [B, *shape]."""
        return torch.stack([torch.randn(shape, generator=g) for g in self.generators]).to(self.device)

    def uniform(self, *shape: int) -> Tensor:
        """Draw values [B, *shape], uniform in [0, 1)."""
        return torch.stack([torch.rand(shape, generator=g) for g in self.generators]).to(self.device)

    def permutation(self, size: int) -> Tensor:
        """Draw one random order of `size` items a sample: [B, size] int64."""
        return torch.stack([torch.randperm(size, generator=g) for g in self.generators]).to(self.device)


class StepRandom(SampleRandom):
    """Draws of one training step.

    Row b depends on (seed, step, positions[b]) only, where a position is the index in the global
    batch; `shared` depends on (seed, step) and is the same on all ranks. Resume is therefore
    exact, at any number of workers.
    """

    def __init__(self, seed: int, step: int, positions: Sequence[int], device: torch.device | str = "cpu") -> None:
        super().__init__([mix(seed, step, position) for position in positions], device)
        self.shared = seeded_generator(seed, step)
