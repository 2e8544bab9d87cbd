"""Targets in memory, read as a `ShardSet` is."""

from collections.abc import Sequence

import numpy as np

from ltm3d.shards.read import ShardSet


class Targets(ShardSet):
    """Assets' fields, one dict each."""

    def __init__(self, assets: Sequence[dict[str, np.ndarray]]) -> None:
        self.assets = list(assets)
        self.uids = [f"u{index}" for index in range(len(assets))]
        self.shards = []

    @property
    def fields(self) -> frozenset[str]:
        return frozenset(self.assets[0])

    def __len__(self) -> int:
        return len(self.assets)

    def get(self, field: str, index: int) -> np.ndarray:
        return self.assets[index][field]
