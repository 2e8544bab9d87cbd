"""Files of a run folder: who it belongs to, which checkpoints count, what a crash left behind.

run_dir/run.json                            identity of the run
run_dir/checkpoints/<name>/checkpoint-…/    state of all workers; counts once it holds COMMIT
run_dir/metrics.jsonl                       one line a step that was measured
run_dir/model.safetensors, result.json      written at the end; best.safetensors, unaveraged.safetensors: see export.py
"""

import json
import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltm3d.errors import ConfigError, DataError
from ltm3d.nn.weights import WEIGHTS_FILE

logger = logging.getLogger(__name__)

RUN_FILE = "run.json"
RESULT_FILE = "result.json"
METRICS_FILE = "metrics.jsonl"
DELIVERED_FILE = "delivered_step"
FAILURE_FILE = "failure.json"
UNAVERAGED_FILE, BEST_FILE = "unaveraged.safetensors", "best.safetensors"
CHECKPOINTS = "checkpoints"
COMMIT_FILE = "COMMIT"

_OURS = (
    RESULT_FILE,
    METRICS_FILE,
    DELIVERED_FILE,
    FAILURE_FILE,
    WEIGHTS_FILE,
    UNAVERAGED_FILE,
    BEST_FILE,
    RUN_FILE,
)
_PREFIX = "checkpoint-"
_SNAPSHOT = "checkpoint_manager_snapshot.json"  # Ray Train's list of the checkpoints it knows


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint all workers have finished writing."""

    folder: Path
    step: int
    world_size: int
    engine: str


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file so that a reader finds the old or the new one, never a part."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with temporary.open("w") as file:
        json.dump(value, file, indent=2, sort_keys=True)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def claim_run(run_dir: Path, identity: str) -> None:
    """Make a folder this run's own; what an older run of another identity left in it is removed.

    Raises:
        DataError: the folder holds files of these names that no run of ours wrote.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    owner = run_dir / RUN_FILE
    found = [name for name in (*_OURS, CHECKPOINTS) if (run_dir / name).exists()]
    if not owner.is_file():
        if found:
            raise DataError(f"{run_dir} holds {', '.join(found)} but no {RUN_FILE}: not a run of ours, move it away")
    elif read_json(owner).get("identity") != identity:
        logger.info("%s: settings, data or code changed since the run there; training starts afresh", run_dir)
        for name in _OURS:
            (run_dir / name).unlink(missing_ok=True)
        if (run_dir / CHECKPOINTS).is_dir():
            shutil.rmtree(run_dir / CHECKPOINTS)
    write_json(owner, {"identity": identity})


def read_result(run_dir: Path) -> dict[str, Any] | None:
    """Return what a finished run wrote last; None if it did not finish."""
    path = run_dir / RESULT_FILE
    return read_json(path) or None if path.is_file() and (run_dir / WEIGHTS_FILE).is_file() else None


def checkpoint_folder(run_dir: Path, name: str) -> Path:
    """Return the folder of a run's checkpoints, the one Ray Train makes of (storage_path, name)."""
    return run_dir / CHECKPOINTS / name


def checkpoint_name(step: int, world_size: int, attempt: str) -> str:
    """Name a checkpoint so that no other attempt, nor other number of workers, writes into its folder."""
    return f"{_PREFIX}{step:08d}-w{world_size}-{attempt}"


def commit(folder: Path, *, step: int, world_size: int, engine: str) -> None:
    """Declare a checkpoint whole; called once, after all workers have written."""
    write_json(folder / COMMIT_FILE, {"step": step, "world_size": world_size, "engine": engine})


def committed(folder: Path) -> list[Checkpoint]:
    """Return the checkpoints that count, oldest first."""
    found = []
    for path in sorted(folder.glob(f"{_PREFIX}*/{COMMIT_FILE}")):
        record = read_json(path)
        if record:
            found.append(Checkpoint(folder=path.parent, **record))
    return sorted(found, key=lambda checkpoint: checkpoint.step)


def check_fits(checkpoint: Checkpoint, *, world_size: int, engine: str) -> None:
    """Raise ConfigError if a run cannot go on from a checkpoint."""
    if checkpoint.engine != engine or (engine == "deepspeed" and checkpoint.world_size != world_size):
        raise ConfigError(
            f"{checkpoint.folder} was written by {checkpoint.world_size} workers with {checkpoint.engine}, this run "
            f"has {world_size} with {engine}: go on with resources.num_workers={checkpoint.world_size} on a machine "
            f"with {checkpoint.engine}, or delete {checkpoint.folder.parent} to start afresh"
        )


def sweep(folder: Path, *, keep: int) -> None:
    """Remove checkpoints that are not whole, and all but the newest `keep`. No worker may be writing."""
    kept = {checkpoint.folder for checkpoint in committed(folder)[-keep:]}
    for path in folder.glob(f"{_PREFIX}*"):
        if path not in kept:
            shutil.rmtree(path)


def repair_snapshot(folder: Path) -> None:
    """Put Ray Train's list of checkpoints aside if it cannot be read or names one that is not there.

    It is written in place, so a full disk or a kill leaves it truncated, and Ray then refuses to start.
    Without the list Ray starts with none, and the workers go on from the newest committed checkpoint.
    """
    path = folder / _SNAPSHOT
    if not path.is_file():
        return
    there = {checkpoint.folder.name for checkpoint in committed(folder)}
    named = _named_checkpoints(read_json(path))
    if named is None or not named <= there:
        logger.warning("%s does not fit the checkpoints beside it; put aside", path)
        path.replace(path.with_name(path.name + ".broken"))


def _named_checkpoints(snapshot: dict[str, Any]) -> set[str] | None:
    try:
        results = [*snapshot["checkpoint_results"], snapshot["latest_checkpoint_result"]]
        return {result["checkpoint_dir_name"] for result in results if result is not None}
    except (KeyError, TypeError):
        return None


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object, empty if the file is truncated or holds something else."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
