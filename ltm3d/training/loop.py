"""The training loop: one for every model with `training_loss(batch, random)`."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from ltm3d.errors import Ltm3dError
from ltm3d.nn.randomness import StepRandom
from ltm3d.training.config import TrainingConfig, learning_rate_at, micro_batch_size
from ltm3d.training.data import (
    ExampleSet,
    batch_indices,
    example_names,
    rank_positions,
    training_batch,
    validation_batch,
    validation_seed,
)
from ltm3d.training.ema import ParameterAverage
from ltm3d.training.engine import Batch, Engine

Metrics = dict[str, float]


class TrainingDiverged(Ltm3dError):
    """The loss or the gradient is not a finite number; all workers raise it at the same step."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Which worker this is, and where its tensors live."""

    rank: int = 0
    world_size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def wait(self) -> None:
        """Wait until the device has done what it was given; a clock that is read before measures the queue."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def gather(self, value: Any) -> list[Any]:
        """Return every worker's value, in order of rank; all workers call it."""
        if self.world_size == 1:
            return [value]
        parts: list[Any] = [None] * self.world_size
        dist.all_gather_object(parts, value)
        return parts


@dataclass(frozen=True, kw_only=True)
class Outlets:
    """What the loop hands out, on every worker; steps are counted as done, from 1.

    Attributes:
        metrics: takes the means since the last call, the same on all workers.
        checkpoint: is to keep the state as it is after that step.
    """

    metrics: Callable[[int, Metrics], None]
    checkpoint: Callable[[int], None]


def run_steps(
    engine: Engine,
    examples: ExampleSet,
    validation: ExampleSet | None,
    *,
    config: TrainingConfig,
    place: Place,
    average: ParameterAverage | None,
    first_step: int,
    outlets: Outlets,
) -> None:
    """Train from `first_step` to the end of the run.

    Raises:
        TrainingDiverged: names the step and the examples of its batch.
    """
    rows: list[dict[str, Tensor]] = []  # one a step since the last metrics
    seconds = 0.0
    engine.model.train()
    for step in range(first_step, config.num_steps):
        started = time.perf_counter()
        losses = [
            engine.accumulate(*_micro_batch(examples, positions, step, config, place))
            for positions in _micro_positions(config, place)
        ]
        grad_norm = engine.step(learning_rate_at(config, step))
        if average is not None:
            average.update(engine.model, step)
        rows.append(_mean([{"loss": loss, **terms} for loss, terms in losses]) | {"grad_norm": grad_norm})

        done = step + 1
        ends = done == config.num_steps
        saves = ends or done % config.checkpoint_every == 0
        validates = validation is not None and (ends or done % config.validate_every == 0)
        measures = saves or validates or done % config.log_every == 0
        if measures:
            place.wait()
        seconds += time.perf_counter() - started
        if not measures:
            continue
        metrics = _summarise(rows, step, examples, config, place)
        metrics["train/learning_rate"] = learning_rate_at(config, step)
        metrics["train/samples_per_second"] = len(rows) * config.global_batch_size / seconds
        rows, seconds = [], 0.0
        if validation is not None and validates:
            with nullcontext() if average is None else average.applied_to(engine.model):
                metrics |= validate(engine, validation, config=config, place=place)
        outlets.metrics(done, metrics)
        if saves:
            outlets.checkpoint(done)


@torch.no_grad()
def validate(engine: Engine, examples: ExampleSet, *, config: TrainingConfig, place: Place) -> Metrics:
    """Return the mean loss and terms over all validation examples, with the same random draws each time."""
    totals: dict[str, float] = {}
    seed = validation_seed(config.seed)
    engine.model.eval()
    for start in range(0, len(examples), config.global_batch_size):
        for positions in _micro_positions(config, place):
            present = [position for position in positions if start + position < len(examples)]
            if present:
                batch = validation_batch(examples, [start + position for position in present], seed=config.seed)
                random = StepRandom(seed, start // config.global_batch_size, present, place.device)
                loss, terms = engine.losses(_to_device(batch, place.device), random)
                for name, value in {"loss": loss, **terms}.items():
                    totals[name] = totals.get(name, 0.0) + float(value) * len(present)
    engine.model.train()
    parts = place.gather(totals)
    names = dict.fromkeys(name for part in parts for name in part)
    return {f"validation/{name}": sum(part.get(name, 0.0) for part in parts) / len(examples) for name in names}


def _micro_positions(config: TrainingConfig, place: Place) -> Iterator[Sequence[int]]:
    size = micro_batch_size(config, place.world_size)
    positions = rank_positions(place.rank, place.world_size, config.global_batch_size)
    return (positions[start : start + size] for start in range(0, len(positions), size))


def _micro_batch(
    examples: ExampleSet, positions: Sequence[int], step: int, config: TrainingConfig, place: Place
) -> tuple[Batch, StepRandom]:
    batch = training_batch(examples, positions, seed=config.seed, step=step, batch_size=config.global_batch_size)
    return _to_device(batch, place.device), StepRandom(config.seed, step, positions, place.device)


def _to_device(batch: Batch, device: torch.device) -> Batch:
    return {name: value.to(device, non_blocking=True) for name, value in batch.items()}


def _mean(rows: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([row[name] for row in rows]).mean() for name in rows[0]}


def _summarise(
    rows: Sequence[dict[str, Tensor]], last_step: int, examples: ExampleSet, config: TrainingConfig, place: Place
) -> Metrics:
    """Average the rows over steps and workers, or raise if one is not finite."""
    columns = {name: torch.stack([row[name].cpu() for row in rows]).tolist() for name in rows[0]}
    parts = place.gather(columns)
    first_step = last_step + 1 - len(rows)
    for offset in range(len(rows)):
        for rank, part in enumerate(parts):
            if not math.isfinite(part["loss"][offset]):
                positions = rank_positions(rank, place.world_size, config.global_batch_size)
                raise _diverged("loss", part["loss"][offset], first_step + offset, positions, examples, config)
        if not math.isfinite(parts[0]["grad_norm"][offset]):
            positions = range(config.global_batch_size)
            raise _diverged("gradient", parts[0]["grad_norm"][offset], first_step + offset, positions, examples, config)
    return {f"train/{name}": _average([x for part in parts for x in part[name]]) for name in columns}


def _average(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _diverged(
    what: str, value: float, step: int, positions: Sequence[int], examples: ExampleSet, config: TrainingConfig
) -> TrainingDiverged:
    indices = batch_indices(
        positions, seed=config.seed, step=step, batch_size=config.global_batch_size, size=len(examples)
    )
    shown = ", ".join(example_names(examples, indices[:64])) + (" …" if len(indices) > 64 else "")
    return TrainingDiverged(
        f"the {what} is {value} at step {step}, on examples {shown}: look at these examples, or lower "
        f"learning_rate ({config.learning_rate}), raise warmup_steps ({config.warmup_steps}) or lower grad_clip "
        f"({config.grad_clip})"
    )
