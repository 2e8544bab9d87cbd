"""What one worker does: build, take over the newest checkpoint, train, export the weights."""

import logging
import os
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from ltm3d.errors import DataError, Ltm3dError, StorageError
from ltm3d.nn.randomness import mix
from ltm3d.training.build_locks import prepare_builds
from ltm3d.training.checkpoints import files
from ltm3d.training.checkpoints.saving import check_disk, find_sound, save_checkpoint
from ltm3d.training.checkpoints.weights_export import WeightsExport, start_from
from ltm3d.training.config import TrainingConfig, autocast_dtype
from ltm3d.training.data import ExampleSet
from ltm3d.training.ema import ParameterAverage
from ltm3d.training.engine import Engine, build_engine
from ltm3d.training.interruption import Interruption, TrainingStopped
from ltm3d.training.loop import SKIPPED, Callbacks, DistContext, TrainingDiverged, run_steps
from ltm3d.training.progress import append_metrics, read_metrics, rewind_metrics

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a worker needs to know; it travels pickled."""

    name: str
    build_model: Callable[[], nn.Module]
    build_examples: Callable[[], ExampleSet]
    build_validation: Callable[[], ExampleSet] | None
    config: TrainingConfig
    run_dir: Path
    working_directory: Path
    num_threads: int
    flops_per_sample: float | None = None
    peak_tflops: float | None = None


def run_worker(job: Job, context: DistContext, notice: Callable[[], bool] = lambda: False) -> None:
    """Do one worker's part of a run; all workers call it.

    An error of ours is left in the run folder for the driver: trying again would not mend it.

    Args:
        notice: says whether the machine under some worker is about to be taken away.
    """
    failure = job.run_dir / files.FAILURE_FILE
    if failure.exists():  # Ray restarted the workers after one of them had failed for good
        return
    try:
        _train(job, context, notice)
    except TrainingStopped:  # on all workers at once; the driver sees that there is no result
        return
    except TrainingDiverged as error:  # on all workers at once
        if context.rank == 0:
            _leave(failure, error)
    except Ltm3dError as error:  # perhaps on one worker only: the others are stopped by Ray
        _leave(failure, error)
        raise


def _leave(path: Path, error: Ltm3dError) -> None:
    try:
        files.write_json(path, {"type": type(error).__name__, "message": str(error)})
    except (OSError, StorageError) as problem:  # the driver finds it in what Ray reports
        logger.error("%s could not be written: %s", path, problem)


def _write_rows(run_dir: Path, rows: list[tuple[int, dict[str, float]]]) -> None:
    """Write what waits; what a full disk does not take waits for the next time."""
    try:
        while rows:
            append_metrics(run_dir, *rows[0])
            rows.pop(0)
    except OSError as error:
        logger.error("%d rows of metrics wait for room on the disk: %s", len(rows), error)


def _train(job: Job, context: DistContext, notice: Callable[[], bool]) -> None:
    os.chdir(job.working_directory)  # Ray starts workers elsewhere
    torch.set_num_threads(job.num_threads)
    prepare_builds()
    config = job.config
    examples = _not_empty(job.build_examples(), "training")
    validation = _not_empty(job.build_validation(), "validation") if job.build_validation else None
    torch.manual_seed(mix(config.seed, 0))
    model = job.build_model()
    start_from(model, config)
    check_disk(model, config, job.run_dir)
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    engine = build_engine(model, config, world_size=context.world_size, device=context.device)
    average = ParameterAverage(engine.layout, config.ema_decay) if config.ema_decay else None
    export = WeightsExport(
        engine,
        average,
        shapes,
        run_dir=job.run_dir,
        config=config,
        validates=validation is not None,
        writes=context.rank == 0,
    )

    run = files.read_identity(job.run_dir)
    folder = files.checkpoint_folder(job.run_dir, job.name)
    newest = find_sound(folder, context=context, run=run)
    first_step = _take_over(newest, engine, average) if newest else 0
    if context.rank == 0:
        rewind_metrics(job.run_dir, first_step)
    num_skipped = context.gather(int(_last_metrics(job.run_dir).get(SKIPPED, 0)) if context.rank == 0 else 0)[0]
    workers = context.gather(_describe(context, engine, config))
    attempt = context.gather(uuid.uuid4().hex[:8])[0]
    interruption = Interruption(context, job.run_dir, notice)
    rows: list[tuple[int, dict[str, float]]] = []  # not written yet
    validated: dict[int, float] = {}  # step → loss

    def keep_validation(step: int, loss: float) -> None:
        validated[step] = loss
        export.validated(step, loss)

    def keep_metrics(step: int, metrics: dict[str, float]) -> None:
        if context.rank == 0:
            rows.append((step, metrics))
            _write_rows(job.run_dir, rows)

    def keep_state(step: int) -> None:
        def write(folder: Path) -> None:
            engine.save(folder, {"step": step})
            if average is not None:
                average.save(folder, context.rank)

        is_kept = save_checkpoint(
            folder / files.checkpoint_name(step, context.world_size, attempt),
            write,
            context=context,
            run=run,
            step=step,
            engine=engine.name,
            validation_loss=validated.get(step),
            keep=config.keep_checkpoints,
        )
        if context.rank == 0:
            _write_rows(job.run_dir, rows)
        if interruption.stops and step < config.num_steps:
            raise TrainingStopped(f"step {step}, {'kept' if is_kept else 'not kept'}")

    run_steps(
        engine,
        examples,
        validation,
        config=config,
        context=context,
        average=average,
        first_step=first_step,
        callbacks=Callbacks(
            metrics=keep_metrics,
            checkpoint=keep_state,
            validated=keep_validation,
            wants_checkpoint=interruption.wants_checkpoint,
        ),
        num_skipped=num_skipped,
        flops_per_sample=job.flops_per_sample,
    )
    with _told_if_full(job.run_dir):
        metrics = export.finish()
        if context.rank == 0:
            result = {
                "steps": config.num_steps,
                "metrics": _last_metrics(job.run_dir) | metrics,
                "resumed_from": first_step or None,
                "num_parameters": num_parameters,
                "workers": workers,
            }
            files.write_json(job.run_dir / files.RESULT_FILE, result)


def _not_empty(examples: ExampleSet, what: str) -> ExampleSet:
    if len(examples) == 0:
        raise DataError(f"the {what} set is empty: look at the split and at the ledgers of the stages before")
    return examples


def _take_over(checkpoint: files.Checkpoint, engine: Engine, average: ParameterAverage | None) -> int:
    extra = engine.load(checkpoint.folder)
    if average is not None:
        average.load(checkpoint.folder)
    logger.info("going on from step %d", extra["step"])
    return int(extra["step"])


def _describe(context: DistContext, engine: Engine, config: TrainingConfig) -> dict[str, Any]:
    dtype = autocast_dtype(config.precision, context.device)
    return {
        "rank": context.rank,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "device": str(context.device),
        "engine": engine.name,
        "zero_stage": engine.zero_stage,
        "precision": "fp32" if dtype is None else str(dtype).removeprefix("torch."),
        "num_threads": torch.get_num_threads(),
    }


@contextmanager
def _told_if_full(run_dir: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise StorageError(
            f"{run_dir}: the trained weights cannot be written ({error}): make room and run again, which goes on from "
            "the newest checkpoint"
        ) from error


def _last_metrics(run_dir: Path) -> dict[str, float]:
    """Return the last metric of each kind; validation is measured less often than the rest."""
    merged: dict[str, float] = {}
    for row in read_metrics(run_dir):
        merged |= row
    merged.pop("step", None)
    return merged
