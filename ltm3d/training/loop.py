"""The training loop: one for every model with `training_loss(batch, random)`."""

import logging
import math
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
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
from ltm3d.training.loader import Read, reading

logger = logging.getLogger(__name__)

Metrics = dict[str, float]

SKIPPED = "train/skipped_steps"
# Metrics of the machine, not of what was computed: two runs that end alike differ in them.
OF_THE_MACHINE = ("train/samples_per_second", "train/data_wait_share", "train/memory_gib", "train/flop_utilisation")


class TrainingDiverged(Ltm3dError):
    """Too many losses or gradients were not finite numbers; all workers raise it at the same step."""


@dataclass(frozen=True, kw_only=True)
class DistContext:
    """Which worker this is, and where its tensors live.

    Attributes:
        peak_tflops: of the device in the training's precision, 10¹² operations a second; None = not known.
    """

    rank: int = 0
    world_size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    peak_tflops: float | None = None

    def wait(self) -> None:
        """Wait until the device has done what it was given; a clock that is read before measures the queue."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def peak_memory(self) -> int:
        """Return the most bytes held so far: on a GPU by tensors, else by the whole process."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def gather(self, value: Any) -> list[Any]:
        """Return every worker's value, in order of rank; all workers call it."""
        if self.world_size == 1:
            return [value]
        parts: list[Any] = [None] * self.world_size
        dist.all_gather_object(parts, value)
        return parts


@dataclass(frozen=True, kw_only=True)
class Callbacks:
    """What the loop hands out, on every worker; steps are counted as done, from 1.

    Attributes:
        metrics: takes the means since the last call, the same on all workers.
        checkpoint: is to keep the state as it is after that step.
        validated: takes each validation loss while the model still has the weights it was measured with.
        wants_checkpoint: asked after each step whether to keep it before the schedule does; the same on all workers.
    """

    metrics: Callable[[int, Metrics], None]
    checkpoint: Callable[[int], None]
    validated: Callable[[int, float], None] = lambda step, loss: None
    wants_checkpoint: Callable[[], bool] = lambda: False


def run_steps(
    engine: Engine,
    examples: ExampleSet,
    validation: ExampleSet | None,
    *,
    config: TrainingConfig,
    context: DistContext,
    average: ParameterAverage | None,
    first_step: int,
    callbacks: Callbacks,
    num_skipped: int = 0,
    flops_per_sample: float | None = None,
) -> None:
    """Train from `first_step` to the end of the run.

    Args:
        num_skipped: steps before `first_step` that were skipped.
        flops_per_sample: operations of one sample in one step, from which the utilisation follows.

    Raises:
        TrainingDiverged: names the last skipped step and the examples of its batch.
    """
    rows: list[dict[str, Tensor]] = []  # one a step since the last metrics
    seconds = 0.0
    engine.model.train()
    with reading(_reads(examples, first_step, config, context), ahead=config.prefetch) as loader:
        for step in range(first_step, config.num_steps):
            started = time.perf_counter()
            losses = []
            for positions in _micro_positions(config, context):
                batch = _to_device(loader.next(), context.device)
                losses.append(engine.accumulate(batch, StepRandom(config.seed, step, positions, context.device)))
            grad_norm = engine.step(learning_rate_at(config, step))
            if average is not None:
                average.update(step, grad_norm.isfinite())
            rows.append(_mean([{"loss": loss, **terms} for loss, terms in losses]) | {"grad_norm": grad_norm})

            done = step + 1
            ends = done == config.num_steps
            saves = callbacks.wants_checkpoint() or ends or done % config.checkpoint_every == 0
            validates = validation is not None and (ends or done % config.validate_every == 0)
            measures = saves or validates or done % config.log_every == 0
            if measures:
                context.wait()
            seconds += time.perf_counter() - started
            if not measures:
                continue
            metrics, skipped = _summarise(rows, context)
            for row, rank, value in skipped:
                num_skipped += 1
                fault = _fault(rank, value, done - len(rows) + row, examples, config, context)
                if num_skipped > config.max_skipped_steps:
                    raise _diverged(fault, num_skipped, config)
                if context.rank == 0:
                    logger.warning("skipped: %s", fault)
            metrics["train/learning_rate"] = learning_rate_at(config, step)
            metrics[SKIPPED] = num_skipped
            metrics |= _speed(len(rows), seconds, loader.take_waited(), flops_per_sample, config, context)
            rows, seconds = [], 0.0
            if validation is not None and validates:
                with nullcontext() if average is None else average.applied():
                    validated = validate(engine, validation, config=config, context=context)
                    callbacks.validated(done, validated["validation/loss"])
                metrics |= validated
            callbacks.metrics(done, metrics)
            if saves:
                callbacks.checkpoint(done)


@torch.no_grad()
def validate(engine: Engine, examples: ExampleSet, *, config: TrainingConfig, context: DistContext) -> Metrics:
    """Return the mean loss and terms over all validation examples, with the same random draws each time."""
    totals: dict[str, float] = {}
    seed = validation_seed(config.seed)
    engine.model.eval()
    for start in range(0, len(examples), config.global_batch_size):
        for positions in _micro_positions(config, context):
            present = [position for position in positions if start + position < len(examples)]
            if present or engine.zero_stage == 3:  # whose workers call the model together, with a sample that counts 0
                given = present or [0]
                batch = validation_batch(examples, [start + position for position in given], seed=config.seed)
                random = StepRandom(seed, start // config.global_batch_size, given, context.device)
                loss, terms = engine.losses(_to_device(batch, context.device), random)
                for name, value in {"loss": loss, **terms}.items():
                    totals[name] = totals.get(name, 0.0) + float(value) * len(present)
    engine.model.train()
    parts = context.gather(totals)
    names = dict.fromkeys(name for part in parts for name in part)
    return {f"validation/{name}": sum(part.get(name, 0.0) for part in parts) / len(examples) for name in names}


def _micro_positions(config: TrainingConfig, context: DistContext) -> Iterator[Sequence[int]]:
    size = micro_batch_size(config, context.world_size)
    positions = rank_positions(context.rank, context.world_size, config.global_batch_size)
    return (positions[start : start + size] for start in range(0, len(positions), size))


def _reads(examples: ExampleSet, first_step: int, config: TrainingConfig, context: DistContext) -> Iterator[Read]:
    """List what is read for each micro-batch, in order."""
    for step in range(first_step, config.num_steps):
        for positions in _micro_positions(config, context):
            yield partial(_read, examples, positions, step, config, context.device.type == "cuda")


def _read(examples: ExampleSet, positions: Sequence[int], step: int, config: TrainingConfig, pins: bool) -> Batch:
    batch = training_batch(examples, positions, seed=config.seed, step=step, batch_size=config.global_batch_size)
    return {name: value.pin_memory() for name, value in batch.items()} if pins else batch


def _to_device(batch: Batch, device: torch.device) -> Batch:
    return {name: value.to(device, non_blocking=True) for name, value in batch.items()}


def _mean(rows: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([row[name] for row in rows]).mean() for name in rows[0]}


def _summarise(
    rows: Sequence[dict[str, Tensor]], context: DistContext
) -> tuple[Metrics, list[tuple[int, int | None, float]]]:
    """Average the rows of the taken steps over steps and workers.

    Returns:
        The means, and of each skipped step its row, the rank whose loss is not finite (None: the gradient), and that.
    """
    columns = {name: torch.stack([row[name].cpu() for row in rows]).tolist() for name in rows[0]}
    parts = context.gather(columns)
    skipped: list[tuple[int, int | None, float]] = []
    taken: list[int] = []
    for index, norm in enumerate(parts[0]["grad_norm"]):
        faults = [rank for rank, part in enumerate(parts) if not math.isfinite(part["loss"][index])]
        if faults:
            skipped.append((index, faults[0], parts[faults[0]]["loss"][index]))
        elif not math.isfinite(norm):
            skipped.append((index, None, norm))
        else:
            taken.append(index)
    means = {
        f"train/{name}": _average([part[name][index] for part in parts for index in taken]) for name in columns if taken
    }
    return means, skipped


def _average(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _speed(
    num_steps: int,
    seconds: float,
    waited: float,
    flops_per_sample: float | None,
    config: TrainingConfig,
    context: DistContext,
) -> Metrics:
    """Say how fast the steps were, and what they took of the machine; the slowest and largest worker counts."""
    waits, memories = zip(*context.gather((waited, context.peak_memory())), strict=True)
    rate = num_steps * config.global_batch_size / seconds
    speed = {
        "train/samples_per_second": rate,
        "train/data_wait_share": max(waits) / seconds,
        "train/memory_gib": max(memories) / 2**30,
    }
    if flops_per_sample is not None and context.peak_tflops is not None:
        speed["train/flop_utilisation"] = rate * flops_per_sample / (context.world_size * context.peak_tflops * 1e12)
    return speed


def _fault(
    rank: int | None, value: float, step: int, examples: ExampleSet, config: TrainingConfig, context: DistContext
) -> str:
    size = config.global_batch_size
    positions = range(size) if rank is None else rank_positions(rank, context.world_size, size)
    indices = batch_indices(positions, seed=config.seed, step=step, batch_size=size, size=len(examples))
    shown = ", ".join(example_names(examples, indices[:64])) + (" …" if len(indices) > 64 else "")
    return f"the {'gradient' if rank is None else 'loss'} is {value} at step {step}, on examples {shown}"


def _diverged(fault: str, num_skipped: int, config: TrainingConfig) -> TrainingDiverged:
    return TrainingDiverged(
        f"{fault}: look at these examples, or lower learning_rate ({config.learning_rate}), raise warmup_steps "
        f"({config.warmup_steps}) or lower grad_clip ({config.grad_clip}); with this step {num_skipped} were skipped, "
        f"max_skipped_steps is {config.max_skipped_steps}"
    )
