"""The metrics file of a run: written by rank 0, followed by the driver, who shows progress."""

import errno
import importlib.util
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ltm3d.training.checkpoints.files import DELIVERED_FILE, METRICS_FILE

logger = logging.getLogger(__name__)

OnMetrics = Callable[[int, dict[str, float]], None]

_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_BETWEEN_LOOKS = 0.5


def read_metrics(run_dir: Path) -> list[dict[str, float]]:
    """Return the rows of a metrics file in order; a last line cut short by a kill is left out."""
    path = run_dir / METRICS_FILE
    return _parse(path.read_bytes()) if path.is_file() else []


def rewind_metrics(run_dir: Path, step: int) -> None:
    """Drop what was measured after a step: training goes on from there and measures it again."""
    rows = [row for row in read_metrics(run_dir) if row["step"] <= step]
    temporary = run_dir / (METRICS_FILE + ".tmp")
    temporary.write_text("".join(json.dumps(row) + "\n" for row in rows))
    temporary.replace(run_dir / METRICS_FILE)


def append_metrics(run_dir: Path, step: int, metrics: dict[str, float]) -> None:
    """Add the row of a step, or nothing of it.

    Raises:
        OSError: the disk is full.
    """
    row = json.dumps({"step": step, **metrics}) + "\n"
    with (run_dir / METRICS_FILE).open("ab", buffering=0) as file:
        end = file.tell()
        written = file.write(row.encode())
        if written < len(row):
            file.truncate(end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(run_dir / METRICS_FILE))


@contextmanager
def following(
    run_dir: Path, *, name: str, num_steps: int, batch_size: int, on_metrics: OnMetrics | None
) -> Iterator[None]:
    """Hand each row of the metrics file to `on_metrics`, once, and show progress, while the body runs.

    The last step handed out is remembered beside the file, so that a rerun does not repeat it. What
    `on_metrics` raises is logged.
    """
    stop = threading.Event()
    follower = _Follower(run_dir, on_metrics)

    def watch() -> None:
        with _display(name, num_steps, batch_size) as show:
            while not stop.wait(_SECONDS_BETWEEN_LOOKS):
                follower.look(show)
            follower.look(show)

    thread = threading.Thread(target=watch, name=f"metrics of {name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class _Follower:
    """Read what was appended since the last look; start over when the file was replaced."""

    def __init__(self, run_dir: Path, on_metrics: OnMetrics | None) -> None:
        self.path = run_dir / METRICS_FILE
        self.delivered_path = run_dir / DELIVERED_FILE
        self.on_metrics = on_metrics
        self.delivered = _read_step(self.delivered_path)
        self.inode = 0
        self.offset = 0

    def look(self, show: OnMetrics) -> None:
        if not self.path.is_file():
            return
        with self.path.open("rb") as file:
            inode = self.path.stat().st_ino
            if inode != self.inode:
                self.inode, self.offset = inode, 0
            file.seek(self.offset)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self.offset += len(whole)
        for row in _parse(whole):
            step = int(row.pop("step"))
            if step > self.delivered:
                show(step, row)
                self._deliver(step, row)

    def _deliver(self, step: int, row: dict[str, float]) -> None:
        try:
            if self.on_metrics is not None:
                self.on_metrics(step, row)
        except Exception:
            logger.exception("the metrics of step %d could not be handed on; training goes on", step)
        self.delivered = step
        temporary = self.delivered_path.with_name(DELIVERED_FILE + ".tmp")
        try:
            temporary.write_text(f"{step}\n")
            temporary.replace(self.delivered_path)
        except OSError as error:  # if the driver is killed before the next one, it hands this one on again
            logger.warning("that step %d was handed on could not be noted: %s", step, error)


@contextmanager
def _display(name: str, num_steps: int, batch_size: int) -> Iterator[OnMetrics]:
    """Give a function that shows how far training is: a bar on a terminal (needs rich), else a line now and then."""
    if not sys.stderr.isatty() or importlib.util.find_spec("rich") is None:
        yield _line_display(name, num_steps, batch_size)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(name, total=num_steps)

        def show(step: int, row: dict[str, float]) -> None:
            progress.update(task, completed=step, description=f"{name}: {_metrics(row)}")

        yield show


def _line_display(name: str, num_steps: int, batch_size: int) -> OnMetrics:
    last = 0.0

    def show(step: int, row: dict[str, float]) -> None:
        nonlocal last
        if step < num_steps and time.monotonic() - last < _SECONDS_BETWEEN_LINES:
            return
        last = time.monotonic()
        left = (num_steps - step) * batch_size / row["train/samples_per_second"]
        logger.info("%s: step %d/%d, %s, %d:%02d left", name, step, num_steps, _metrics(row), left // 60, left % 60)

    return show


def _metrics(row: dict[str, float]) -> str:
    loss = row.get("train/loss", float("nan"))  # none of the steps since the last row was taken
    text = f"loss {loss:.4f}, {row['train/samples_per_second']:.0f} samples/s"
    return text + (f", validation loss {row['validation/loss']:.4f}" if "validation/loss" in row else "")


def _parse(data: bytes) -> list[dict[str, float]]:
    rows = []
    for line in data.splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def _read_step(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0
