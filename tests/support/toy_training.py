"""A model and examples small enough to train in seconds, for the tests of training."""

import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch import distributed as dist

from ltm3d.nn.randomness import StepRandom
from ltm3d.training.config import TrainingConfig
from ltm3d.training.loop import OF_THE_MACHINE


class ToyExamples:
    """Points on a noisy sine; `delay` slows an example down, so that a test can interrupt the run.

    While the file `hold` is there, an example takes half a second.
    """

    def __init__(self, count: int, delay: float = 0.0, broken: int | None = None, hold: Path | None = None) -> None:
        self.x = np.linspace(-2, 2, count, dtype=np.float32)
        self.delay = delay
        self.broken = broken
        self.hold = hold

    def __len__(self) -> int:
        return len(self.x)

    def example(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        time.sleep(0.5 if self.hold is not None and self.hold.exists() else self.delay)
        x = self.x[index] + 0.1 * rng.standard_normal(1).astype(np.float32)
        y = np.sin(3 * x) * (np.inf if index == self.broken else 1)
        return {"x": x.astype(np.float32), "y": y.astype(np.float32), "index": np.int64(index)}


class ToyModel(nn.Module):
    """A regression that draws noise for its input, as a diffusion loss does, and leaves a parameter unused.

    In the folder `reads` each process notes the uids that it trains on, in a file of its rank and number.
    """

    no_weight_decay = ("head",)

    def __init__(self, width: int = 32, reads: Path | None = None) -> None:
        super().__init__()
        self.reads = reads
        self.body = nn.Sequential(nn.Linear(1, width), nn.GELU(), nn.LayerNorm(width), nn.Linear(width, width))
        self.head = nn.Linear(width, 1)
        self.unused = nn.Parameter(torch.ones(3, 3))
        self.register_buffer("scale", torch.tensor(2.0))

    def training_loss(self, batch: dict[str, Tensor], random: StepRandom) -> tuple[Tensor, dict[str, Tensor]]:
        if self.reads is not None and self.training:
            rank = dist.get_rank() if dist.is_initialized() else 0
            with (self.reads / f"{rank}-{os.getpid()}").open("a") as file:
                file.writelines(f"toy-{index}\n" for index in batch["index"].tolist())
        noise = 0.05 * random.normal(1)
        ratio = 0.5 + torch.rand((), generator=random.shared).to(noise.device)
        error = self.head(self.body(batch["x"] + noise)) * self.scale - batch["y"]
        loss = ratio * error.square().mean()
        return loss, {"absolute_error": error.abs().mean(), "ratio": ratio}


def toy_examples(
    count: int = 40, delay: float = 0.0, broken: int | None = None, hold: Path | None = None
) -> partial[ToyExamples]:
    """Return a builder of examples."""
    return partial(ToyExamples, count, delay, broken, hold)


def computed(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    """Leave out what depends on the machine: the rows of two runs that went alike are then the same."""
    return [{name: value for name, value in row.items() if name not in OF_THE_MACHINE} for row in rows]


def toy_config(**changes: Any) -> TrainingConfig:
    """Return settings of a short run with checkpoints, validation and a cosine schedule."""
    settings: dict[str, Any] = {
        "num_steps": 40,
        "global_batch_size": 8,
        "learning_rate": 1e-2,
        "warmup_steps": 5,
        "lr_schedule": "cosine",
        "precision": "fp32",
        "checkpoint_every": 5,
        "log_every": 2,
        "validate_every": 10,
        "seed": 3,
    }
    return TrainingConfig(**(settings | changes))
