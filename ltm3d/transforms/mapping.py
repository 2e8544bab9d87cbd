"""Map work over shards with Ray Data: one row a shard, one task a shard; a shard is committed or not there."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltm3d.errors import DataError
from ltm3d.schema import Field
from ltm3d.shards.ledger import Ledger
from ltm3d.shards.rates import Measurement, rate_log, rates_file, read_measurements
from ltm3d.shards.read import committed_shard, read_shard
from ltm3d.shards.write import remove_leftovers
from ltm3d.transforms.asset_progress import Progress
from ltm3d.transforms.jobs import ShardJob, ShardResult, Transform, plan_jobs
from ltm3d.transforms.ray_tasks import MapRows, ModelActor, finished_rows, run_row
from ltm3d.transforms.retries import MAX_TRIES, count_reasons, uids_to_try_again

if TYPE_CHECKING:
    from ray.data import Dataset

__all__ = ["ShardJob", "ShardResult", "map_shards", "map_shards_with_model", "plan_jobs"]

logger = logging.getLogger(__name__)

WORKER_RETRIES = 2  # a worker that dies is started anew so often; Ray Data's own default is for ever
MEASURED = ("key", "num_assets", "num_kept", "cpu_seconds", "num_bytes", "machine")  # of a finished row


def map_shards(
    jobs: Sequence[ShardJob],
    transform: Transform,
    *,
    fields: Sequence[Field],
    output: Path,
    num_workers: int,
    label: str,
    max_reject_fraction: float,
    max_tries: int = MAX_TRIES,
) -> Ledger:
    """Run a function over the shards that are not yet committed, in parallel.

    Of a committed shard those assets alone are tried again that another run may mend: `failed` and `fetch_error` at
    each run, `timeout`, `out_of_memory` and `crash` until they were tried `max_tries` times.

    Args:
        transform: picklable; works on each asset by itself, as it is also called for some of a shard's. What it raises
            is a fault of the stage, not of an asset.
        label: the stage's name, for people.

    Returns:
        The ledger of all jobs, also of those that were skipped; it is written to `output` as well. What each shard
        took is noted in the stage's `rates.jsonl`, see `shards.rates`.

    Raises:
        DataError: there is no job, a worker died again and again, or too many assets were rejected.
    """
    arguments = {"transform": transform, "fields": tuple(fields), "output": output}

    def map_rows(dataset: "Dataset", num_rows: int) -> "Dataset":
        from ray.data import TaskPoolStrategy

        pool = TaskPoolStrategy(size=min(num_workers, num_rows))
        return dataset.map(run_row, fn_kwargs=arguments, compute=pool, num_cpus=1, max_retries=WORKER_RETRIES)

    return _map(
        jobs, map_rows, output=output, label=label, max_reject_fraction=max_reject_fraction, max_tries=max_tries
    )


def map_shards_with_model(
    jobs: Sequence[ShardJob],
    model_class: type,
    constructor_args: tuple[Any, ...],
    *,
    fields: Sequence[Field],
    output: Path,
    num_workers: int,
    label: str,
    max_reject_fraction: float,
    num_gpus: float = 0,
) -> Ledger:
    """Run a model over the shards that are not yet committed, loading it once an actor.

    A shard with a `failed` or `fetch_error` asset is made over as a whole: what a model makes of an asset may depend on
    its batch.

    Args:
        model_class: `model_class(*constructor_args)` gives a callable from `ShardJob` to `ShardResult`.
        num_gpus: of each actor.

    Returns, raises: as `map_shards`.
    """
    arguments = (model_class, constructor_args, tuple(fields), output)

    def map_rows(dataset: "Dataset", num_rows: int) -> "Dataset":
        from ray.data import ActorPoolStrategy

        pool = ActorPoolStrategy(
            size=min(num_workers, num_rows),
            max_tasks_in_flight_per_actor=1,
            max_concurrent_calls_per_actor=1,
            enable_true_multi_threading=True,  # which means: in the actor's own thread, not in another pool
        )
        return dataset.map(
            ModelActor,
            fn_constructor_args=arguments,
            compute=pool,
            num_cpus=1,
            num_gpus=num_gpus or None,
            max_restarts=0,
            max_task_retries=0,
        )

    return _map(jobs, map_rows, output=output, label=label, max_reject_fraction=max_reject_fraction)


def _map(
    jobs: Sequence[ShardJob],
    map_rows: MapRows,
    *,
    output: Path,
    label: str,
    max_reject_fraction: float,
    max_tries: int | None = None,
) -> Ledger:
    if not jobs:
        raise DataError(f"{label}: no asset to work on; name more objects in the recipe's sources")
    output = output.absolute()
    output.mkdir(parents=True, exist_ok=True)
    stale = remove_leftovers(output, keep=[job.name for job in jobs])
    if stale:
        some = ", ".join(stale[:3]) + (" …" if len(stale) > 3 else "")
        logger.info("%s: removed %d shards that the plan no longer has: %s", label, len(stale), some)
    ledger = Ledger(stage=label)
    todo: list[ShardJob] = []
    outdated: list[tuple[ShardJob, str]] = []
    again: dict[str, tuple[str, ...]] = {}  # shard → the assets that are tried again, in one that stays
    for job in jobs:
        shard = committed_shard(output / job.name, job.key)
        if shard is None or job.is_stale or not job.code.accepts(shard.code):
            todo.append(job)
            if shard is not None and not job.code.accepts(shard.code):
                outdated.append((job, shard.code))
        elif uids := uids_to_try_again(shard, max_tries or 1):
            todo.append(job)
            if max_tries is not None:
                again[job.name] = uids
        else:
            ledger.add(shard)
    if outdated:
        _say_outdated(outdated, output, label)
    if len(todo) < len(jobs):
        logger.info(
            "%s: %d of %d shards are there already, made with the same settings, inputs and code",
            label,
            len(jobs) - len(todo),
            len(jobs),
        )
    tasks: set[str] = set()
    if again:
        number, reasons = count_reasons({read_shard(output / name): uids for name, uids in again.items()})
        logger.info("%s: %d assets are tried again, their shards' others stay: %s", label, number, reasons)
    progress = Progress(label, sum(len(again.get(job.name, job.uids)) for job in todo))
    keys = {job.name: job.key for job in jobs}
    log_rate = rate_log(rates_file(output, label), keys)
    with progress:
        for row in finished_rows(todo, map_rows, label, again=again) if todo else ():
            if row["error"]:
                message = f"{label}, {row['name']}: {row['error']}"
                raise DataError(message) if row["is_expected"] else RuntimeError(message)
            ledger.add(read_shard(output / row["name"]))
            tasks.add(row["task"])
            if row["name"] not in again:  # the rates are those of whole shards
                log_rate(Measurement(shard=row["name"], **{name: row[name] for name in MEASURED}))
            progress.advance(row["num_assets"])
    ledger.num_tasks = len(tasks)
    ledger.write(output)
    logger.info("%s", ledger.to_table())
    logger.info("%s: %d Ray Data tasks, %s", label, ledger.num_tasks, progress.summary())
    ledger.check(max_reject_fraction)
    return ledger


def _say_outdated(outdated: Sequence[tuple[ShardJob, str]], output: Path, label: str) -> None:
    """Say what is made again because of other code, and what that cost the last time."""
    jobs = [job for job, _ in outdated]
    num_assets = sum(len(job.uids) for job in jobs)
    rates = rates_file(output, label)
    measured = read_measurements(rates) if rates is not None else {}
    seconds = sum(measured[job.name].cpu_seconds for job in jobs if job.name in measured)
    cost = f", {seconds:.0f} CPU-seconds the last time" if seconds else ""
    what = f"{len(jobs)} shards ({num_assets} assets{cost}) will be made again"
    job, before = outdated[0]
    state_dir = output if rates is None else rates.parent
    logger.info("%s", job.code.explain(state_dir, before, what))
