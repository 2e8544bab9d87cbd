"""How sure a mean over assets is."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Interval(NamedTuple):
    """A mean, and the bounds of its 95 % interval."""

    mean: float
    low: float
    high: float


def bootstrap_interval(
    values: Sequence[float] | np.ndarray, *, seed: int, num_resamples: int = 2000, confidence: float = 0.95
) -> Interval:
    """Return the mean and its percentile bootstrap interval (Efron and Tibshirani 1993, chapter 13).

    Raises:
        ValueError: no values, or some not finite: a failed asset must be counted by the caller, not averaged.
    """
    sample = np.asarray(values, np.float64).reshape(-1)
    if not len(sample) or not np.isfinite(sample).all():
        raise ValueError(f"{len(sample)} values, {int((~np.isfinite(sample)).sum())} not finite; give finite values")
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(sample), np.full(len(sample), 1 / len(sample)), size=num_resamples)
    means = counts @ sample / len(sample)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(sample.mean()), float(low), float(high))
