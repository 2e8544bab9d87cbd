"""What a rank of each ZeRO stage holds before a step: `python memory_ranks.py RANK STORE OUT`.

Read from what the engines keep: the model's parameters and gradients, and the tensors of DeepSpeed's optimizer.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from toy_training import toy_config

from ltm3d.nn.randomness import StepRandom
from ltm3d.training.ema import ParameterAverage
from ltm3d.training.engine import build_engine

WORLD_SIZE = 2
WIDTH, DEPTH = 256, 4
STAGES = (None, 0, 1, 2, 3)
MASTERS = ("single_partition_of_fp32_groups", "fp32_partitioned_groups_flat")  # stages 1 and 2, stage 3


class Tower(nn.Module):
    """Linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(DEPTH)))

    def training_loss(self, batch: dict[str, Tensor], random: StepRandom) -> tuple[Tensor, dict[str, Tensor]]:
        del random
        return self.layers(batch["x"]).square().mean(), {}


def tensors(value: Any) -> Iterator[Tensor]:
    """Find the tensors in lists and tables."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from tensors(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from tensors(each)


def num_bytes(found: Iterable[Tensor]) -> int:
    """Return the bytes of their storages, each once."""
    return sum({each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in found}.values())


def measure(stage: int | None) -> dict[str, int]:
    """Take two steps and a third one's backward pass."""
    config = toy_config(zero_stage=stage, global_batch_size=2 * WORLD_SIZE, ema_decay=0.9)
    engine = build_engine(Tower(), config, world_size=WORLD_SIZE, device=torch.device("cpu"))
    average = ParameterAverage(engine.layout, config.ema_decay)
    for step in range(3):
        engine.accumulate({"x": torch.randn(2, WIDTH)}, StepRandom(0, step, [0, 1]))
        if step < 2:
            engine.step(1e-3)
            average.update(step, torch.tensor(True))
    parameters = list(engine.model.parameters())
    inner: Any = engine.optimizer if stage is None else engine.engine.optimizer  # type: ignore[attr-defined]
    kept = vars(inner)
    if stage == 3:
        parameters = list(tensors(kept["fp16_partitioned_groups"]))
    gradients = [value.grad for value in parameters if value.grad is not None] or kept["averaged_gradients"]
    return {
        "parameters": num_bytes(parameters),
        "master": num_bytes(tensors([kept[name] for name in MASTERS if name in kept])),
        "gradients": num_bytes(tensors(gradients)),
        "moments": num_bytes(each for each in tensors(dict(inner.state)) if each.ndim),
        "average": num_bytes(average.averages.values()),
    }


def main(rank: int, store: Path, out: Path) -> None:
    """Measure every stage; the first rank writes."""
    os.environ |= {"LOCAL_RANK": str(rank), "RANK": str(rank), "WORLD_SIZE": str(WORLD_SIZE)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=WORLD_SIZE)
    measured = {str(stage): measure(stage) for stage in STAGES}
    if rank == 0:
        out.write_text(json.dumps(measured))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
