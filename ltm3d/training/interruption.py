"""Stopping and being pre-empted: all workers hear of it at the same step, and keep their state before they go."""

import _thread
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import torch
from torch import distributed as dist

from ltm3d.errors import Ltm3dError
from ltm3d.training.checkpoints.files import STEPPING_FILE, STOP_FILE, checkpoint_folder, committed
from ltm3d.training.loop import DistContext

logger = logging.getLogger(__name__)

WAIT_S = 9.0  # that Ctrl-C lets the workers have to keep their state

_GO_ON, _SAVE, _STOP = range(3)


class TrainingStopped(Ltm3dError):
    """Somebody asked the run to stop; its state is kept, and the next run goes on from there."""


class Interruption:
    """What one worker knows of a stop or a pre-emption, and what all have agreed on.

    Args:
        notice: says whether the machine under this worker, or one of its peers, is about to be taken away.
    """

    def __init__(self, context: DistContext, run_dir: Path, notice: Callable[[], bool]) -> None:
        self.world_size = context.world_size
        self.path = run_dir / STOP_FILE if context.rank == 0 else None
        self.is_heard_of = False
        self.notice = notice
        self.noticed = False
        self.stops = False
        # On the CPU: the device is not waited for.
        own_group = self.world_size > 1 and dist.get_backend() != "gloo"
        self.group = dist.new_group(backend="gloo") if own_group else None

    def wants_checkpoint(self) -> bool:
        """Say whether the state is to be kept now; all workers call it after each step and hear the same."""
        if self.path is not None and not self.is_heard_of:
            with suppress(OSError):  # a full disk: Ctrl-C then costs the steps since the last checkpoint
                self.path.with_name(STEPPING_FILE).touch()
                self.is_heard_of = True
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


def stopped_line(name: str, run_dir: Path) -> str:
    """Say where a run that was stopped goes on."""
    step = max((found.step for found in committed(checkpoint_folder(run_dir, name))), default=0)
    return f"{name}: stopped at step {step}; the next run goes on from there"


def request_stop(run_dir: Path) -> None:
    """Ask a run's workers to keep their state after the step they are in, and to end."""
    (run_dir / STOP_FILE).touch()


@contextmanager
def stopping_on_signals(run_dir: Path) -> Iterator[Callable[[], bool]]:
    """Turn SIGTERM and Ctrl-C into a request to stop while the body runs.

    SIGTERM is delivered when the body has ended. Ctrl-C raises KeyboardInterrupt in the body: at once where the workers
    have not done a step yet; else if they have not ended after `WAIT_S`. A second signal is obeyed at once.

    Only in the main thread, which is where Python hears of signals.

    Returns:
        What says whether Ctrl-C was pressed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    heard: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    impatience = threading.Timer(WAIT_S, _thread.interrupt_main)
    impatience.daemon = True

    def terminate(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        logger.warning("SIGTERM: keeping the state after this step; a second one ends at once")
        request_stop(run_dir)
        signal.signal(signal.SIGTERM, before[signal.SIGTERM])

    def interrupt(number: int, frame: FrameType | None) -> None:
        is_first = signal.SIGINT not in heard
        heard.append(number)
        if not is_first or not (run_dir / STEPPING_FILE).exists():
            raise KeyboardInterrupt
        request_stop(run_dir)
        impatience.start()

    signal.signal(signal.SIGTERM, terminate)
    if before[signal.SIGINT] is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield lambda: signal.SIGINT in heard
    except TrainingStopped as error:
        if signal.SIGTERM in heard:  # it ends this process, perhaps without another word
            logger.warning("%s", error)
        raise
    finally:
        impatience.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)
        if signal.SIGTERM in heard:
            os.kill(os.getpid(), signal.SIGTERM)
