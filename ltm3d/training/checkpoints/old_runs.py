"""What lies in data/runs and no stage will read again: folders of stages that are no more, checkpoints of the past."""

import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ltm3d.durability import lock_file
from ltm3d.errors import DataError
from ltm3d.tracking.spool import RECORDS, RUN_ID, Spool, find_unsent
from ltm3d.training.checkpoints.files import CHECKPOINTS, committed, read_result

COPIES = {"register": ("bundle", "card"), "evaluate_generator": ("shapes",)}  # what MLflow has, once it is sent
LOCK_SUFFIX = ".lock"


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """A file or folder that may go.

    Attributes:
        left_out: the representation or target of a stage's matrix that these params leave out, "" for the rest. Another
            recipe may ask for it again, so it goes only by its name.
    """

    path: Path
    reason: str
    size: int
    left_out: str = ""


def find_run_leftovers(runs: Path, labels: Collection[str]) -> list[Leftover]:
    """List what may go from a folder of runs; a stage that runs now, and metrics not sent yet, keep all of theirs.

    Args:
        labels: see `freshness.stages.stage_labels`.
    """
    matrices = {label.partition("@")[0] for label in labels if "@" in label}
    found: list[Leftover] = []
    for folder in sorted(path for path in runs.iterdir() if path.is_dir()) if runs.is_dir() else ():
        lock = runs / f"{folder.name}{LOCK_SUFFIX}"
        is_ours = lock.is_file() and any((folder / name).is_file() for name in (RECORDS, RUN_ID))
        if not is_ours or _is_held(lock) or find_unsent(folder):
            continue
        if folder.name in labels:
            found += [_leftover(path, reason) for path, reason in _idle_parts(folder)]
            continue
        stage, _, item = folder.name.partition("@")
        if item and stage in matrices:
            state = "finished" if _has_finished(folder) else "begun"
            found.append(_leftover(folder, f"{state}; params.yaml leaves {item} out", left_out=item))
        else:
            found.append(_leftover(folder, "no stage of dvc.yaml with these params has this name"))
    return found


def _has_finished(folder: Path) -> bool:
    return read_result(folder) is not None or Spool(folder).status == "FINISHED"


def _idle_parts(folder: Path) -> Iterator[tuple[Path, str]]:
    for name in COPIES.get(folder.name.partition("@")[0], ()):
        if (folder / name).is_dir() and Spool(folder).status == "FINISHED":
            yield folder / name, "a copy of what MLflow has; the stage makes it again"
    checkpoints = folder / CHECKPOINTS
    if not checkpoints.is_dir():
        return
    if read_result(folder) is not None:
        yield checkpoints, "the training has ended, its weights are beside it"
        return
    for run in sorted(path for path in checkpoints.iterdir() if path.is_dir()):
        whole = {checkpoint.folder for checkpoint in committed(run)}
        yield from ((path, "not whole") for path in sorted(run.glob("checkpoint-*")) if path not in whole)


def remove_leftover(leftover: Leftover, runs: Path) -> None:
    """Delete what `find_run_leftovers` listed.

    Raises:
        DataError: its stage has begun to run, or it lies elsewhere.
    """
    if not leftover.path.is_relative_to(runs) or leftover.path == runs:
        raise DataError(f"{leftover.path} is not in {runs}; nothing is removed")
    label = leftover.path.relative_to(runs).parts[0]
    with (runs / f"{label}{LOCK_SUFFIX}").open("a+") as file:
        if not lock_file(file):
            raise DataError(f"{label} is running now; {leftover.path} stays")
        shutil.rmtree(leftover.path)
        if leftover.path.parent == runs:
            (runs / f"{label}{LOCK_SUFFIX}").unlink()


def total_size(leftovers: Sequence[Leftover]) -> int:
    """Return the bytes that go."""
    return sum(leftover.size for leftover in leftovers)


def _leftover(path: Path, reason: str, *, left_out: str = "") -> Leftover:
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink())
    return Leftover(path=path, reason=reason, size=size, left_out=left_out)


def _is_held(lock: Path) -> bool:
    with lock.open("a+") as file:
        return not lock_file(file)
