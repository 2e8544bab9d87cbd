"""Stopping and being pre-empted: all workers hear of it at the same step, and keep their state before they go."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import torch
from torch import distributed as dist

from ltm3d.errors import Ltm3dError
from ltm3d.training.checkpoint import STOP_FILE
from ltm3d.training.loop import Place

logger = logging.getLogger(__name__)

_GO_ON, _SAVE, _STOP = range(3)


class TrainingStopped(Ltm3dError):
    """Somebody asked the run to stop; its state is kept, and the next run goes on from there."""


class Interruption:
    """What one worker knows of a stop or a pre-emption, and what all have agreed on.

    Args:
        notice: says whether the machine under this worker, or one of its peers, is about to be taken away.
    """

    def __init__(self, place: Place, run_dir: Path, notice: Callable[[], bool]) -> None:
        self.world_size = place.world_size
        self.path = run_dir / STOP_FILE if place.rank == 0 else None
        self.notice = notice
        self.noticed = False
        self.stops = False
        # On the CPU: the device is not waited for.
        own_group = self.world_size > 1 and dist.get_backend() != "gloo"
        self.group = dist.new_group(backend="gloo") if own_group else None

    def wants_checkpoint(self) -> bool:
        """Say whether the state is to be kept now; all workers call it after each step and hear the same."""
        asked = torch.tensor(self._look())
        if self.world_size > 1:
            dist.all_reduce(asked, op=dist.ReduceOp.MAX, group=self.group)
        if asked == _SAVE:
            self.noticed = True  # once is enough: what comes after it is kept on schedule
        self.stops = bool(asked == _STOP)
        return bool(asked > _GO_ON)

    def _look(self) -> int:
        if self.path is not None and self.path.exists():
            return _STOP
        return _SAVE if not self.noticed and self.notice() else _GO_ON


def request_stop(run_dir: Path) -> None:
    """Ask a run's workers to keep their state after the step they are in, and to end."""
    (run_dir / STOP_FILE).touch()


@contextmanager
def stopping_on_sigterm(run_dir: Path) -> Iterator[None]:
    """Turn SIGTERM into a request to stop while the body runs, and deliver it when the body has ended.

    Only in the main thread, which is where Python hears of signals. A second SIGTERM is not waited with.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    before = signal.getsignal(signal.SIGTERM)

    def stop(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        logger.warning("SIGTERM: keeping the state after this step; a second one ends at once")
        request_stop(run_dir)
        signal.signal(signal.SIGTERM, before)

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except TrainingStopped as error:
        if heard:  # the signal ends this process, perhaps without another word
            logger.warning("%s", error)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
        if heard:
            os.kill(os.getpid(), signal.SIGTERM)
