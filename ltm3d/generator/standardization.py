"""Frozen encoders' tokens at a scale that a model can learn from: standardised by the training set, then projected.

Letters: B batch, T condition tokens, C condition channels, H width.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltm3d.errors import DataError
from ltm3d.nn.transformer import learned_tokens
from ltm3d.shards.read import ShardSet

FLOOR = 0.05  # of a channel's standard deviation, as a share of their mean: a constant channel stays small
MAX_ASSETS = 400  # as many say what all do


@dataclass(frozen=True, kw_only=True, eq=False)
class ChannelStatistics:
    """Mean and standard deviation of each channel of an encoder's tokens over the training set; the latter floored."""

    mean: Float[np.ndarray, " C"]
    std: Float[np.ndarray, " C"]

    @classmethod
    def of(cls, tokens: Iterable[Float[np.ndarray, "_ C"]]) -> "ChannelStatistics":
        """Measure the tokens of some assets, each with any number of them.

        Raises:
            DataError: there is no token.
        """
        sums = [(len(each), each.sum(0, np.float64), np.square(each, dtype=np.float64).sum(0)) for each in tokens]
        if not (count := sum(number for number, _, _ in sums)):
            raise DataError("there is no condition token to measure: run encode_conditions (dvc repro)")
        mean: np.ndarray = np.sum([total for _, total, _ in sums], axis=0) / count
        variance: np.ndarray = np.sum([squares for _, _, squares in sums], axis=0) / count - np.square(mean)
        std = np.sqrt(variance.clip(min=0))
        floor = max(FLOOR * float(std.mean()), 1e-6)
        return cls(mean=mean.astype(np.float32), std=std.clip(min=floor).astype(np.float32))


@dataclass(frozen=True, kw_only=True, eq=False)
class ConditionStatistics:
    """Of both encoders' tokens."""

    image: ChannelStatistics
    text: ChannelStatistics

    @classmethod
    def of(cls, conditions: ShardSet) -> "ConditionStatistics":
        """Measure the conditions of some assets, all views of each; of texts what is no padding."""
        each = range(len(conditions))
        images = (np.asarray(conditions.get("image_tokens", index)) for index in each)
        texts = (
            np.asarray(conditions.get("text_tokens", index))[np.asarray(conditions.get("text_mask", index))]
            for index in each
        )
        return cls(
            image=ChannelStatistics.of(views.reshape(-1, views.shape[-1]) for views in images),
            text=ChannelStatistics.of(texts),
        )


class StandardizedProjection(nn.Module):
    """Standardise by the training set's statistics, project to the width, say where a token stands, normalise.

    Args:
        num_positions: T, where each place of the encoder's grid learns a position; 0 = the tokens say it themselves.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int, width: int, *, num_positions: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))
        self.project = nn.Linear(channels, width)
        self.positions = learned_tokens(num_positions, width) if num_positions else None
        self.norm = nn.LayerNorm(width)

    def set_statistics(self, statistics: ChannelStatistics) -> None:
        """Take over the training set's statistics; they are saved with the weights."""
        for buffer, values in ((self.mean, statistics.mean), (self.std, statistics.std)):
            buffer.copy_(torch.from_numpy(values))

    def forward(self, tokens: Float[Tensor, "B T C"]) -> Float[Tensor, "B T H"]:
        projected = self.project((tokens - self.mean) / self.std)
        return self.norm(projected if self.positions is None else projected + self.positions)
