import time
from pathlib import Path

import numpy as np
import pytest

from ltm3d.evaluation.cost import Cost, decode_costs, with_cost


def test_seconds_and_memory_of_a_piece_of_work_are_measured() -> None:
    _, before = with_cost(lambda: None)
    made, slow = with_cost(lambda: time.sleep(0.05) or np.ones(2**23))  # 64 MiB
    assert made.size == 2**23 and 0.05 <= slow.seconds < 30
    assert slow.peak_memory >= max(before.peak_memory, 64)
    (kept,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    assert slow.peak_memory == pytest.approx(int(kept.split()[1]) / 1024, rel=0.05)


def test_a_row_has_the_median_of_the_seconds_and_the_largest_memory() -> None:
    costs = [Cost(1.0, 300.0), Cost(9.0, 500.0), Cost(2.0, 400.0)]
    assert decode_costs(costs) == pytest.approx({"decode_seconds": 2.0, "decode_peak_mib": 500.0})
