"""One Ray Data row a shard: what the driver hands out, and what a worker does with it."""

import json
import logging
import os
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltm3d.errors import DataError, Ltm3dError
from ltm3d.schema import Field
from ltm3d.shards.manifest import canonical_json
from ltm3d.shards.rates import cpu_seconds, describe_machine
from ltm3d.shards.read import committed_shard
from ltm3d.shards.write import write_shard
from ltm3d.transforms.jobs import ShardJob, ShardResult, Transform
from ltm3d.transforms.retries import commit_retried

if TYPE_CHECKING:
    from ray.data import Dataset

MapRows = Callable[["Dataset", int], "Dataset"]  # a data set of one row a shard, and their number → finished rows


def finished_rows(
    jobs: Sequence[ShardJob], map_rows: MapRows, label: str, *, again: Mapping[str, Sequence[str]]
) -> Iterator[dict[str, Any]]:
    """Give one row a finished shard, as they come.

    Args:
        again: the assets that are tried again, of shards that are there.
    """
    import ray
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)  # it warns that bars are off
    context.execution_no_progress_timeout_s = -1  # a large shard may take longer; assets have their own limits
    rows = [
        {
            "name": job.name,
            "uids": list(job.uids),
            "inputs": [str(path.absolute()) for path in job.inputs],
            "key": job.key,
            "code": job.code.digest,
            "again": list(again.get(job.name, ())),
            "provenance": canonical_json(job.code.provenance),
        }
        for job in jobs
    ]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # max_retries has no named argument in Ray 2.60
            dataset = map_rows(ray.data.from_items(rows, override_num_blocks=len(rows)), len(rows))
        yield from dataset.iter_rows()
    except ray.exceptions.RayError as error:
        raise DataError(
            f"{label}: a Ray worker died, also when tried anew ({type(error).__name__}: "
            f"{str(error).strip().splitlines()[0]}); finished shards are kept: see that memory suffices "
            "(fewer resources.num_workers), then rerun"
        ) from error


def run_row(row: dict[str, Any], *, transform: Transform, fields: Sequence[Field], output: Path) -> dict[str, Any]:
    """Do one job in a Ray worker; what goes wrong comes back as a row, so that Ray does not retry or reword it."""
    import ray

    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"  # reaches the children that `isolation` starts
    job = ShardJob(
        name=row["name"], uids=tuple(row["uids"]), inputs=tuple(Path(path) for path in row["inputs"]), key=row["key"]
    )
    folder = output.absolute() / job.name
    error, is_expected = "", False
    num_kept, num_bytes, started = 0, 0, cpu_seconds()
    again = tuple(row["again"])
    before = committed_shard(folder, job.key) if again else None
    try:
        if before is not None:
            result = transform(replace(job, uids=again))
            commit_retried(before, result, job=job, again=again, fields=fields)
        else:
            result = transform(job)
            write_shard(
                folder,
                fields=fields,
                arrays=result.arrays,
                uids=result.uids,
                records=result.records,
                rejects=result.rejects,
                key=job.key,
                code=row["code"],
                provenance=json.loads(row["provenance"]),
            )
        num_kept, num_bytes = len(result.uids), sum(path.stat().st_size for path in folder.iterdir())
    except (Ltm3dError, OSError) as caught:
        error, is_expected = str(caught), True
    except Exception:
        error = traceback.format_exc()
    return {
        "name": job.name,
        "key": job.key,
        "task": ray.get_runtime_context().get_task_id(),
        "error": error,
        "is_expected": is_expected,
        "num_assets": len(job.uids if before is None else again),
        "num_kept": num_kept,
        "cpu_seconds": cpu_seconds() - started,
        "num_bytes": num_bytes,
        "machine": describe_machine(),
    }


class ModelActor:
    """Holds a model in a Ray actor; a load that fails is told by the first row."""

    def __init__(
        self, model_class: type, constructor_args: tuple[Any, ...], fields: Sequence[Field], output: Path
    ) -> None:
        import torch

        torch.set_num_threads(1)
        self.fields, self.output = fields, output
        self.model: Transform
        try:
            self.model = model_class(*constructor_args)
        except (Ltm3dError, OSError) as error:
            self.model = _Raises(DataError(str(error)))

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return run_row(row, transform=self.model, fields=self.fields, output=self.output)


class _Raises:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def __call__(self, job: ShardJob) -> ShardResult:
        raise self.error
