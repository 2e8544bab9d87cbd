"""What decoding and encoding cost (eval/v1, "Reporting"): seconds a shape, and peak memory."""

import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Cost:
    """Of one piece of work.

    Attributes:
        seconds: by the clock.
        peak_memory: MiB, the most that the process has held so far, whatever for: an upper bound of the need.
    """

    seconds: float
    peak_memory: float


def with_cost(make: Callable[[], T]) -> tuple[T, Cost]:
    """Return what a function returns, and what that took."""
    start = time.perf_counter()
    made = make()
    seconds = time.perf_counter() - start
    return made, Cost(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def decode_costs(costs: Sequence[Cost]) -> dict[str, float]:
    """Return `decode_seconds`, the median of the shapes, failed ones included, and `decode_peak_mib`, the largest."""
    return {
        "decode_seconds": statistics.median(cost.seconds for cost in costs),
        "decode_peak_mib": max(cost.peak_memory for cost in costs),
    }
