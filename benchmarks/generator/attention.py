"""Attention in bf16 on a CPU: torch's kernel against the products written out, forward and backward.

python -m benchmarks.generator.attention → benchmarks/results/attention.json

CPU-milliseconds of one thread, the two in turn; sizes of the recipes' generators and of the full one.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.machine import describe
from ltm3d.nn.attention import attend

RESULT = Path(__file__).resolve().parents[1] / "results" / "attention.json"
SIZES = {"cpu, batch 8": (8, 4, 80, 32), "cpu, batch 32": (32, 4, 80, 32), "base, batch 4": (4, 12, 576, 64)}
ROUNDS = 7


def main() -> None:
    """Measure each size, forward alone and with its gradient."""
    torch.set_num_threads(1)
    rows = {}
    for name, (batch, heads, length, width) in SIZES.items():
        parts = [torch.randn(batch, heads, length, width, dtype=torch.bfloat16, requires_grad=True) for _ in range(3)]
        direction = torch.randn(batch, heads, length, width, dtype=torch.bfloat16)
        for backward in (False, True):
            calls = [partial(run, function, parts, direction, backward) for function in (attend, kernel)]
            row = compare(*calls)
            rows[f"{name}, {'forward and backward' if backward else 'forward'}"] = row
    result = {"machine": describe("torch"), "ratios": {key: row["ratio"] for key, row in rows.items()}, "rows": rows}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write(json.dumps(result["ratios"], indent=1) + "\n")


def kernel(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The reference."""
    return F.scaled_dot_product_attention(query, key, value)


def run(function: Callable[..., Tensor], parts: list[Tensor], direction: Tensor, backward: bool) -> None:
    """Call it once, and take its gradient where asked."""
    out = function(*parts)
    if backward:
        torch.autograd.grad(out, parts, direction)


def compare(ours: Callable[[], None], reference: Callable[[], None]) -> dict[str, float]:
    """Run both in turn."""
    milliseconds: dict[str, list[float]] = {"ours": [], "reference": []}
    for round_ in range(ROUNDS + 1):
        for name, call in (("ours", ours), ("reference", reference)):
            start = time.process_time()
            call()
            if round_:  # the first warms up
                milliseconds[name].append(1e3 * (time.process_time() - start))
    medians = {name: float(np.median(values)) for name, values in milliseconds.items()}
    return {"ratio": medians["reference"] / medians["ours"], **{f"{name}_ms": value for name, value in medians.items()}}


if __name__ == "__main__":
    main()
