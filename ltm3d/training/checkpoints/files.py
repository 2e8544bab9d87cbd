"""Files of a run folder: who it belongs to, which checkpoints count, what a crash left behind.

run_dir/run.json                            identity of the run
run_dir/checkpoints/<name>/checkpoint-…/    state of all workers; counts once it holds COMMIT
run_dir/metrics.jsonl                       one line a step that was measured
run_dir/model.safetensors, result.json      written at the end; best.safetensors, unaveraged.safetensors: see export.py

COMMIT is written last, into a folder that nobody writes to any more. It names the run and each file with its size and
sha256: what another run wrote, or what changed since, is never read.
"""

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ltm3d.durability import durable_writing, sync_folder
from ltm3d.errors import ConfigError, DataError, StorageError
from ltm3d.freshness.stage_code import NO_CODE, StageCode
from ltm3d.nn.weights import WEIGHTS_FILE

logger = logging.getLogger(__name__)

RUN_FILE = "run.json"
RESULT_FILE = "result.json"
METRICS_FILE = "metrics.jsonl"
DELIVERED_FILE = "delivered_step"
FAILURE_FILE = "failure.json"
STOP_FILE = "stop"  # asks the workers for a checkpoint and to end
STEPPING_FILE = "stepping"  # the workers have done a step of this attempt, and hear of a stop
UNAVERAGED_FILE, BEST_FILE = "unaveraged.safetensors", "best.safetensors"
CHECKPOINTS = "checkpoints"
COMMIT_FILE = "COMMIT"

_OURS = (
    RESULT_FILE,
    METRICS_FILE,
    DELIVERED_FILE,
    FAILURE_FILE,
    STOP_FILE,
    STEPPING_FILE,
    WEIGHTS_FILE,
    UNAVERAGED_FILE,
    BEST_FILE,
)  # beside RUN_FILE, which says whose they are
_PREFIX = "checkpoint-"


@dataclass(frozen=True, kw_only=True)
class Commit:
    """What a COMMIT file says.

    Attributes:
        run: identity of the run that wrote the checkpoint.
        validation_loss: of the weights in it; None where they were not validated.
        digests: name of each file → [bytes, sha256].
    """

    run: str
    step: int
    world_size: int
    engine: str
    validation_loss: float | None
    digests: Mapping[str, list[Any]]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint all workers have finished writing."""

    folder: Path
    commit: Commit

    @property
    def step(self) -> int:
        """Steps done, counted from 1."""
        return self.commit.step


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file so that a reader finds the old or the new one, never a part, also after a crash.

    Raises:
        StorageError: the file system cannot keep that promise.
        OSError: the disk is full, or fails.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with durable_writing(path):
        try:
            with temporary.open("w") as file:
                json.dump(value, file, indent=2, sort_keys=True)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)


def claim_run(run_dir: Path, identity: str, code: StageCode = NO_CODE) -> None:
    """Make a folder this run's own; what an older run of another identity, or of other code, left in it is removed.

    A run of code that gives the same goes on as it is, with the digest it began with; where it goes on from another
    commit or tree, that is added to its provenance.

    Killed at any moment, it leaves the run that was there, or a folder that the next claim empties.

    Raises:
        DataError: the folder holds files of these names that no run of ours wrote.
        StorageError: what is there cannot be removed, or the file system does not keep what is written.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    for name in (*_OURS, RUN_FILE):
        for path in run_dir.glob(f"{name}.*.tmp"):  # a killed `write_json`
            path.unlink(missing_ok=True)
    owner = run_dir / RUN_FILE
    if not owner.is_file():
        found = [name for name in (*_OURS, CHECKPOINTS) if (run_dir / name).exists()]
        if found:
            raise DataError(f"{run_dir} holds {', '.join(found)} but no {RUN_FILE}: not a run of ours, move it away")
    else:
        before = read_json(owner)
        if before.get("identity") == identity and code.accepts(before.get("code", "")):
            made = before.get("provenance", [])
            if code.provenance and read_result(run_dir) is None and dict(code.provenance) not in made:
                write_json(owner, {**before, "provenance": [*made, dict(code.provenance)]})
            return
        if before.get("identity") == identity:
            steps = (read_result(run_dir) or {}).get("steps")
            done = f"its {steps} steps" if steps else "its steps"
            logger.info("%s", code.explain(run_dir, before.get("code"), f"{done} will be trained again"))
        else:
            logger.info("%s: settings or data changed since the run there; training starts afresh", run_dir)
        write_json(owner, {"identity": "", "code": ""})  # nobody's from now on: what is half removed is never read
        try:
            for name in _OURS:
                (run_dir / name).unlink(missing_ok=True)
            if (run_dir / CHECKPOINTS).is_dir():
                shutil.rmtree(run_dir / CHECKPOINTS)
        except OSError as error:
            raise StorageError(
                f"the run before cannot be removed ({error}): remove {run_dir}, then run again"
            ) from error
    write_json(
        owner,
        {"identity": identity, "code": code.digest, "provenance": [dict(code.provenance)] if code.provenance else []},
    )


def read_identity(run_dir: Path) -> str:
    """Return whose folder it is; empty if that cannot be read."""
    return str(read_json(run_dir / RUN_FILE).get("identity", ""))


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


def digest_files(folder: Path, *, rank: int, world_size: int) -> dict[str, list[Any]]:
    """Force a worker's files to the disk and return their sizes and hashes by name.

    A worker's are those that end in its number, as in zero-00001.safetensors; the first has the others, too.

    Raises:
        StorageError: the file system cannot do so.
        OSError: the disk is full, or fails.
    """
    found = {}
    for name in _names(folder):
        if _reader(name, world_size) == rank:
            with durable_writing(folder / name), (folder / name).open("rb") as file:
                os.fsync(file.fileno())
                found[name] = [os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()]
    return found


def commit(folder: Path, record: Commit) -> None:
    """Declare a checkpoint whole; called once, after all workers have written.

    Raises:
        StorageError, OSError: as `write_json`; the checkpoint may count nevertheless, see `discard`.
    """
    write_json(folder / COMMIT_FILE, asdict(record))
    with durable_writing(folder):
        sync_folder(folder.parent)


def discard(folder: Path) -> None:
    """Remove a checkpoint, first what makes it count.

    Raises:
        OSError: some of it stays.
    """
    (folder / COMMIT_FILE).unlink(missing_ok=True)
    shutil.rmtree(folder)


def committed(folder: Path) -> list[Checkpoint]:
    """Return the checkpoints that count, oldest first."""
    found = []
    names = {field.name for field in fields(Commit)}
    for path in folder.glob(f"{_PREFIX}*/{COMMIT_FILE}"):
        record = read_json(path)
        if record.keys() == names:
            found.append(Checkpoint(folder=path.parent, commit=Commit(**record)))
    return sorted(found, key=lambda checkpoint: (checkpoint.step, checkpoint.folder))


def find_damage(checkpoint: Checkpoint, *, run: str, rank: int, world_size: int) -> str | None:
    """Say why a checkpoint must not be read; None if a worker's share of its files is as it was committed."""
    if checkpoint.commit.run != run:
        return "another run wrote it"
    digests = checkpoint.commit.digests
    if set(_names(checkpoint.folder)) != set(digests):
        return "files are missing, or were added"
    for name, (size, digest) in digests.items():
        if _reader(name, world_size) != rank:
            continue
        try:
            with (checkpoint.folder / name).open("rb") as file:
                if os.fstat(file.fileno()).st_size != size or hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    return f"{name} changed after it was written"
        except OSError as error:
            return f"{name} cannot be read: {error.strerror}"
    return None


def withdraw(checkpoint: Checkpoint) -> None:
    """Let a checkpoint count no longer; its files stay until the next sweep."""
    path = checkpoint.folder / COMMIT_FILE
    path.replace(path.with_name(COMMIT_FILE + ".withdrawn"))


def check_fits(checkpoint: Checkpoint, *, engine: str) -> None:
    """Raise ConfigError if a run cannot go on from a checkpoint; the number of workers may be another."""
    if checkpoint.commit.engine != engine:
        raise ConfigError(
            f"{checkpoint.folder} was written with {checkpoint.commit.engine}, this run uses {engine}: go on on a "
            f"machine with {checkpoint.commit.engine}, or delete {checkpoint.folder.parent} to start afresh"
        )


def sweep(folder: Path, *, keep: int) -> None:
    """Remove checkpoints that are not whole, and all but the newest `keep` and the best. No worker may be writing.

    What cannot be removed stays, with a warning: it takes room and harms nothing.
    """
    found = committed(folder)
    kept = {checkpoint.folder for checkpoint in found[-keep:]}
    if (best := best_of(found)) is not None:
        kept.add(best.folder)
    for path in folder.glob(f"{_PREFIX}*"):
        if path not in kept:
            try:
                discard(path)
            except OSError as error:
                logger.warning("%s is not needed any more, but cannot be removed: %s", path, error)


def best_of(checkpoints: list[Checkpoint]) -> Checkpoint | None:
    """Return the checkpoint of the lowest validation loss, the newest of equals; None if none was validated."""
    losses = [(each.commit.validation_loss, -each.step, each) for each in checkpoints]
    return min((row for row in losses if row[0] is not None), key=lambda row: row[:2], default=(None, 0, None))[2]


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object, empty if the file is truncated or holds something else."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _names(folder: Path) -> Iterator[str]:
    """Yield the files of a checkpoint in order, by their paths in it."""
    for path in sorted(folder.rglob("*")):
        if not path.is_dir() and not path.name.startswith(COMMIT_FILE):
            yield path.relative_to(folder).as_posix()


def _reader(name: str, world_size: int) -> int:
    """Return the worker that hashes a file: the one of its number, else the first."""
    number = re.search(r"-(\d{5})\.\w+$", name)
    return int(number[1]) % world_size if number else 0
