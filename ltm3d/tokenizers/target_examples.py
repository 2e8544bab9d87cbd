"""Training examples of the tokenizers, read from target shards."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ltm3d.errors import ConfigError
from ltm3d.shards.read import ShardSet
from ltm3d.tokenizers.augmentation import AugmentationConfig, draw_stretch, stretch_distances, stretch_normals


class TargetExamples:
    """Assets of a set of targets; `augment=False` reads them as they are."""

    def __init__(self, targets: ShardSet, config: Any, *, augment: bool = True) -> None:
        self.targets = targets.expect_slices()
        self.config = config
        self.augment = augment

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def uids(self) -> list[str]:
        """Which asset each example is."""
        return self.targets.uids


@dataclass(frozen=True, kw_only=True)
class SdfExampleConfig(AugmentationConfig):
    """How many of an asset's stored points one training step reads.

    The stored sets are shuffled, so a contiguous slice at a random place is a random draw. A mirrored shape has exact
    distances; a stretched one nearly, see `stretch_distances`, so `scale` is off unless asked for.

    Attributes:
        num_surface: points that the encoder reads.
        sharp_share: the tokenizer's own: of these, the share that lies on sharp edges.
    """

    num_surface: int = 1024
    num_volume: int = 512
    num_near: int = 512
    sharp_share: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("num_surface", "num_volume", "num_near"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")
        check_share(self.sharp_share)

    @property
    def num_encoded(self) -> int:
        """Points that the encoder reads of an asset."""
        return self.num_surface


class SdfExamples(TargetExamples):
    """Slices of surface points and queries, float32."""

    config: SdfExampleConfig

    def example(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return `surface` [S, 6], those of sharp edges last, `volume` and `near` [Q, 4]."""
        config = self.config
        counts = {"volume": config.num_volume, "near": config.num_near}
        counts = split_points(config.num_surface, config.sharp_share) | counts
        example = {name: _slice(self.targets, name, index, count, rng) for name, count in counts.items()}
        if "sharp" in example:
            example["surface"] = np.concatenate([example["surface"], example.pop("sharp")])
        if self.augment:
            stored = np.asarray(self.targets.get("surface", index), np.float32) if config.scale > 0 else None
            stretch = draw_stretch(config, example["surface"][:, :3] if stored is None else stored[:, :3], rng)
            if stored is not None:
                for name in ("volume", "near"):
                    example[name][:, 3] = stretch_distances(example[name], stored, stretch)
            for values in example.values():
                values[:, :3] *= stretch
            example["surface"][:, 3:] = stretch_normals(example["surface"][:, 3:], stretch)
        return example


def check_share(sharp_share: float) -> None:
    """Refuse what is no share, or leaves nothing of the whole surface.

    Raises:
        ConfigError: it is not in [0, 1).
    """
    if not 0 <= sharp_share < 1:
        raise ConfigError(f"sharp_share is {sharp_share}; it must lie in [0, 1)")


def split_points(num_points: int, sharp_share: float) -> dict[str, int]:
    """Say how many points are of the whole surface and, where there are any, how many of sharp edges.

    Raises:
        ConfigError: there would be none of the whole surface.
    """
    num_sharp = round(sharp_share * num_points)
    if num_sharp == num_points:
        raise ConfigError(
            f"sharp_share {sharp_share} of {num_points} points leaves none of the whole surface; lower it"
        )
    return {"surface": num_points - num_sharp} | ({"sharp": num_sharp} if num_sharp else {})


def _slice(targets: ShardSet, name: str, index: int, count: int, rng: np.random.Generator) -> np.ndarray:
    stored = targets.get(name, index)
    if count > len(stored):
        raise ConfigError(f"{count} {name} points are asked for, {len(stored)} are stored; ask for fewer or store more")
    start = int(rng.integers(len(stored) - count + 1))
    return np.array(stored[start : start + count], dtype=np.float32)
