"""Progress in assets: a bar on a terminal, now and then a plain line elsewhere, a warning where nothing moves."""

import logging
import os
import sys
import threading
import time
from types import TracebackType
from typing import Any

logger = logging.getLogger(__name__)

LINE_EVERY = 10.0  # seconds
QUIET_FOR = 60.0  # seconds without a finished shard, after which a line says why that may be; then twice as long


class Progress:
    """Count finished assets of a known number.

    Args:
        label: the stage's name, for people.
    """

    def __init__(self, label: str, total: int) -> None:
        self.label, self.total, self.done = label, total, 0
        self._started = self._last_line = time.monotonic()
        self._bar: Any = None
        self._moved, self._ended = threading.Event(), False

    def __enter__(self) -> "Progress":
        self._started = self._last_line = time.monotonic()
        if self.total:
            threading.Thread(target=self._watch, name="progress", daemon=True).start()
        if self.total and sys.stderr.isatty():
            from rich import progress
            from rich.console import Console

            self._bar = progress.Progress(
                progress.TextColumn("{task.description}"),
                progress.BarColumn(),
                progress.MofNCompleteColumn(),
                progress.TextColumn("{task.fields[rate]}"),
                progress.TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._row = self._bar.add_task(self.label, total=self.total, rate="")
            self._bar.start()
        return self

    def advance(self, count: int) -> None:
        """Add finished assets."""
        self.done += count
        self._moved.set()
        if self._bar is not None:
            self._bar.update(self._row, completed=self.done, rate=f"{self._rate():.1f} assets/s")
        elif time.monotonic() - self._last_line > LINE_EVERY:
            self._last_line = time.monotonic()
            left = (self.total - self.done) / max(self._rate(), 1e-9)
            counts = f"{self.done} of {self.total} assets, {self._rate():.1f} assets/s, {left:.0f} s left"
            logger.info("%s: %s", self.label, counts)

    def summary(self) -> str:
        """Say how many assets were done, in what time."""
        return f"{self.done} assets in {self._elapsed:.1f} s ({self.done / max(self._elapsed, 1e-9):.1f} assets/s)"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._elapsed = time.monotonic() - self._started
        self._ended = True
        self._moved.set()
        if self._bar is not None:
            self._bar.stop()

    def _rate(self) -> float:
        return self.done / max(time.monotonic() - self._started, 1e-9)

    def _watch(self) -> None:
        """Say so where no shard ends for long: a busy machine looks like a stage that hangs."""
        since, patience = time.monotonic(), QUIET_FOR
        while not self._ended:
            if self._moved.wait(patience):
                self._moved.clear()
                since, patience = time.monotonic(), QUIET_FOR
                continue
            patience *= 2
            logger.warning(
                "%s: no shard was finished for %.0f s; %d of %d assets are done. Large shards take long, and so does "
                "a busy machine: its load is %.1f on %d CPUs",
                self.label,
                time.monotonic() - since,
                self.done,
                self.total,
                os.getloadavg()[0],
                os.cpu_count() or 1,
            )
