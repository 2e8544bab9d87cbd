"""Start a training run: on workers of Ray Train, or in this process with plain torch."""

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ltm3d import errors
from ltm3d.errors import Ltm3dError
from ltm3d.freshness.stage_code import NO_CODE, StageCode
from ltm3d.nn.weights import WEIGHTS_FILE
from ltm3d.resources import Resources
from ltm3d.training.checkpoints import files
from ltm3d.training.checkpoints.weights_export import start_key
from ltm3d.training.config import TrainingConfig, identity, micro_batch_size
from ltm3d.training.data import ExampleSet
from ltm3d.training.engine import engine_name
from ltm3d.training.interruption import TrainingStopped, stopped_line, stopping_on_signals
from ltm3d.training.loop import DistContext, TrainingDiverged
from ltm3d.training.progress import OnMetrics, following
from ltm3d.training.worker import Job, run_worker

logger = logging.getLogger(__name__)

# Ray's defaults wait longer at the end of a run, and give slow imports less time at its start.
_RAY_SETTINGS = {"RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5", "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "180"}


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """A finished run.

    Attributes:
        weights: safetensors file, fp32; the moving average where that is on.
        metrics: the last of each kind.
        resumed_from: step the last part of the run started from; None = from the start.
        workers: what each said of itself: rank, pid, host, device, engine, zero_stage, precision, num_threads.
    """

    weights: Path
    metrics: dict[str, float]
    steps: int
    resumed_from: int | None
    num_parameters: int
    workers: list[dict[str, Any]]


def train(
    *,
    name: str,
    build_model: Callable[[], nn.Module],
    build_examples: Callable[[], ExampleSet],
    build_validation: Callable[[], ExampleSet] | None,
    config: TrainingConfig,
    resources: Resources,
    run_dir: Path,
    run_key: str,
    code: StageCode = NO_CODE,
    on_metrics: OnMetrics | None = None,
    flops_per_sample: float | None = None,
) -> TrainingResult:
    """Train on workers of Ray Train, or go on with a run that was interrupted.

    Ray is to be running. A finished run returns at once. The builders run in the workers: they must be
    picklable (functools.partial of module functions) and give the same on each.

    Args:
        run_dir: a folder of this run alone, on storage all workers share.
        run_key: hash of what the builders depend on: data, model settings.
        code: of the stage; a run of other code starts afresh.
        on_metrics: called in a thread of this process with a step and its metrics.
        flops_per_sample: operations of a sample in a step; the utilisation follows with `resources.peak_tflops`.

    Raises:
        TrainingDiverged: the loss or the gradient was not finite in too many steps.
        TrainingStopped: somebody asked the run to stop (`request_stop`); SIGTERM does so, too, and is then obeyed.
        KeyboardInterrupt: Ctrl-C, with the step that was kept.
        ConfigError: the batch does not divide, or the checkpoint is of another engine.
        DataError: there is nothing to train on.
        StorageError: the disk cannot hold what the run writes.
    """
    micro_batch_size(config, resources.num_workers)
    job = Job(
        name=name,
        build_model=build_model,
        build_examples=build_examples,
        build_validation=build_validation,
        config=config,
        run_dir=run_dir.resolve(),
        working_directory=Path.cwd(),
        num_threads=resources.cpus_per_worker,
        flops_per_sample=flops_per_sample,
        peak_tflops=resources.peak_tflops,
    )
    return _run(job, run_key, code, on_metrics, lambda: _fit(job, resources))


def train_locally(
    *,
    name: str,
    build_model: Callable[[], nn.Module],
    build_examples: Callable[[], ExampleSet],
    build_validation: Callable[[], ExampleSet] | None,
    config: TrainingConfig,
    run_dir: Path,
    run_key: str,
    device: torch.device | str = "cpu",
    on_metrics: OnMetrics | None = None,
) -> TrainingResult:
    """Train in this process with plain torch, without Ray or DeepSpeed; else as `train`."""
    job = Job(
        name=name,
        build_model=build_model,
        build_examples=build_examples,
        build_validation=build_validation,
        config=replace(config, zero_stage=None, offload="none"),
        run_dir=run_dir.resolve(),
        working_directory=Path.cwd(),
        num_threads=torch.get_num_threads(),
    )
    context = DistContext(device=torch.device(device))
    return _run(job, run_key, NO_CODE, on_metrics, lambda: run_worker(job, context))


def _run(
    job: Job, run_key: str, code: StageCode, on_metrics: OnMetrics | None, work: Callable[[], None]
) -> TrainingResult:
    files.claim_run(job.run_dir, identity(job.config, run_key + start_key(job.config)), code)
    if (result := _result(job.run_dir)) is not None:
        logger.info("%s: finished before, %d steps", job.name, result.steps)
        return result
    folder = files.checkpoint_folder(job.run_dir, job.name)
    failure = job.run_dir / files.FAILURE_FILE
    failure.unlink(missing_ok=True)
    for name in (files.STOP_FILE, files.STEPPING_FILE):
        (job.run_dir / name).unlink(missing_ok=True)
    files.sweep(folder, keep=job.config.keep_checkpoints)
    kept = files.committed(folder)
    for found in kept:
        files.check_fits(found, engine=engine_name(job.config))
    config = job.config
    if kept:
        logger.info("%s: going on from step %d of %d", job.name, kept[-1].step, config.num_steps)
    with (
        stopping_on_signals(job.run_dir) as is_interrupted,
        following(
            job.run_dir,
            name=job.name,
            num_steps=config.num_steps,
            batch_size=config.global_batch_size,
            on_metrics=on_metrics,
        ),
    ):
        try:
            work()
        except KeyboardInterrupt:
            raise KeyboardInterrupt(stopped_line(job.name, job.run_dir)) from None
        except Exception:
            if is_interrupted() and not failure.is_file():  # what breaks as the run is taken down
                raise KeyboardInterrupt(stopped_line(job.name, job.run_dir)) from None
            raise
        finally:
            if failure.is_file():
                _raise_left(failure)
        result = _result(job.run_dir)
        if result is None or is_interrupted():
            assert result is not None or (job.run_dir / files.STOP_FILE).is_file(), "the workers ended without a result"
            line = stopped_line(job.name, job.run_dir)
            raise KeyboardInterrupt(line) if is_interrupted() else TrainingStopped(line)
    return result


def _result(run_dir: Path) -> TrainingResult | None:
    record = files.read_result(run_dir)
    return None if record is None else TrainingResult(weights=run_dir / WEIGHTS_FILE, **record)


def _raise_left(path: Path) -> None:
    """Raise the error a worker left behind, without Ray's account of it."""
    record = files.read_json(path)
    kind = TrainingDiverged if record["type"] == "TrainingDiverged" else getattr(errors, record["type"], Ltm3dError)
    raise kind(record["message"]) from None


def _fit(job: Job, resources: Resources) -> None:
    import ray
    from ray.train import FailureConfig, LoggingConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer
    from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback

    from ltm3d.training.ray_group import MeetingConfig

    class Trainer(TorchTrainer):
        """Leave Ctrl-C to us: Ray's handler waits for workers that may not have started, and ends with code 1."""

        def _register_sigint_handler(self, controller: Any) -> None:
            pass

        def _create_default_callbacks(self) -> list[Any]:
            """Leave out what frees the place of a dead driver where Ray dies with the driver, else give it time.

            A busy head takes longer to stop it than Ray waits (12 s); Ray then logs a traceback that means nothing.
            """
            callbacks = super()._create_default_callbacks()
            cleaners = [each for each in callbacks if isinstance(each, PlacementGroupCleanerCallback)]
            patient = [] if is_local else [PlacementGroupCleanerCallback(stop_timeout=60.0) for _ in cleaners]
            return [*(each for each in callbacks if each not in cleaners), *patient]

    settings = dict(_RAY_SETTINGS)
    is_local = len(ray.nodes()) == 1 and "RAY_ADDRESS" not in os.environ
    if is_local:  # no other machine that could be taken away: no watcher for that
        settings["RAY_TRAIN_ENABLE_PREEMPTION_WATCHER"] = "0"
    with _environment_of(settings):
        trainer = Trainer(
            partial(_ray_worker, job),  # not in train_loop_config: Ray's controller would unpickle it, too
            torch_config=MeetingConfig(backend="nccl" if resources.use_gpu else "gloo"),
            scaling_config=ScalingConfig(
                num_workers=resources.num_workers,
                use_gpu=resources.use_gpu,
                resources_per_worker={"CPU": resources.cpus_per_worker, **({"GPU": 1} if resources.use_gpu else {})},
            ),
            run_config=RunConfig(
                name=job.name,
                storage_path=str(job.run_dir / files.CHECKPOINTS),
                failure_config=FailureConfig(max_failures=resources.max_failures),
                worker_runtime_env={"env_vars": _worker_variables(resources)},
                logging_config=LoggingConfig(log_level="WARNING"),
            ),
        )
        trainer.fit()


@contextmanager
def _environment_of(defaults: Mapping[str, str]) -> Iterator[None]:
    """Set variables that are not set, for a while: the next run of this process may be on another cluster."""
    ours = {name: value for name, value in defaults.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


def _worker_variables(resources: Resources) -> dict[str, str]:
    """Return the environment of a worker: its threads, and where this process finds code that is not installed."""
    installed = (sys.prefix, sys.base_prefix)
    paths = [str(Path(entry).resolve()) for entry in sys.path if not entry.startswith(installed)]
    return {"OMP_NUM_THREADS": str(resources.cpus_per_worker), "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}


def _ray_worker(job: Job) -> None:
    """Run in each worker, inside the process group Ray made."""
    import ray.train
    from ray.train.torch import get_device

    logging.getLogger().setLevel(logging.WARNING)  # Ray announces each checkpoint of each worker
    logging.getLogger("ltm3d").setLevel(logging.INFO)
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch.distributed")
    context = ray.train.get_context()
    context = DistContext(
        rank=context.get_world_rank(),
        world_size=context.get_world_size(),
        device=get_device(),
        peak_tflops=job.peak_tflops,
    )

    run_worker(job, context, notice=_preemption_notice())


def _preemption_notice() -> Callable[[], bool]:
    """Return what tells whether Ray has told this worker that a node of the run is about to be taken away.

    `ray.train.get_preemption_info` says the same, but waits for all workers in each call.
    """
    try:
        from ray.train.v2._internal.execution.context import get_train_context

        preemption = get_train_context().preemption_context
        return lambda: preemption.preemption_info is not None
    except (ImportError, AttributeError) as error:
        logger.warning("this Ray is laid out otherwise (%s): no checkpoint just before a node goes", error)
        return lambda: False
