"""Training examples of the tokenizers, read from target shards."""

from dataclasses import dataclass

import numpy as np

from ltm3d.errors import ConfigError
from ltm3d.shards.read import ShardSet


@dataclass(frozen=True, kw_only=True)
class SdfExampleConfig:
    """How many of an asset's stored points one training step reads.

    The stored sets are shuffled, so a contiguous slice at a random place is a random draw.
    """

    num_surface: int = 1024
    num_volume: int = 512
    num_near: int = 512
    mirror: bool = True

    def __post_init__(self) -> None:
        for name in ("num_surface", "num_volume", "num_near"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")

    @property
    def num_encoded(self) -> int:
        """Points that the encoder reads of an asset."""
        return self.num_surface


class SdfExamples:
    """Slices of surface points and queries, float32; `augment=False` reads the assets as they are.

    The one augmentation that keeps distances exact in the normalised frame is the mirror x → -x.
    """

    def __init__(self, targets: ShardSet, config: SdfExampleConfig, *, augment: bool = True) -> None:
        self.targets = targets.expect_slices()
        self.config = config
        self.augment = augment

    def __len__(self) -> int:
        return len(self.targets)

    def example(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return `surface` [S, 6], `volume` and `near` [Q, 4]."""
        config = self.config
        counts = {"surface": config.num_surface, "volume": config.num_volume, "near": config.num_near}
        example = {name: _slice(self.targets.get(name, index), count, rng) for name, count in counts.items()}
        if self.augment and config.mirror and rng.random() < 0.5:
            for name, columns in (("surface", [0, 3]), ("volume", [0]), ("near", [0])):
                example[name][:, columns] *= -1
        return example


def _slice(stored: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    if count > len(stored):
        raise ConfigError(f"{count} points are asked for, {len(stored)} are stored; lower the count or store more")
    start = int(rng.integers(len(stored) - count + 1))
    return np.array(stored[start : start + count], dtype=np.float32)
