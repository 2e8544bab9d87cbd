"""How sure a mean over assets is."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float


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
    means = _draw_shares(np.random.default_rng(seed), len(sample), num_resamples) @ sample
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(sample.mean()), float(low), float(high))


def bootstrap_change(
    values: Float[np.ndarray, "S A"],
    reference: Float[np.ndarray, "R A"],
    *,
    seed: int,
    num_resamples: int = 2000,
    confidence: float = 0.95,
) -> Interval:
    """Return the mean of values less reference on the same assets A, with the interval over assets and trainings S, R.

    Assets are drawn once for both (paired), trainings for each; the variance of S trainings comes out too small by a
    factor of (S − 1)/S.
    """
    rng = np.random.default_rng(seed)
    assets = _draw_shares(rng, values.shape[1], num_resamples)
    drawn = [
        np.einsum("ns,sa,na->n", _draw_shares(rng, len(each), num_resamples), each, assets)
        for each in (values, reference)
    ]
    low, high = np.quantile(drawn[0] - drawn[1], [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(values.mean() - reference.mean()), float(low), float(high))


def _draw_shares(rng: np.random.Generator, count: int, num_resamples: int) -> Float[np.ndarray, "N count"]:
    return rng.multinomial(count, np.full(count, 1 / count), size=num_resamples) / count
