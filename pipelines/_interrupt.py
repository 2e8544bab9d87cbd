"""Ctrl-C in a stage: one line and exit code 130, within seconds, whatever Ray, MLflow or a library does about signals.

The system writes each signal's number to a pipe (`signal.set_wakeup_fd`), at once, also while native code runs and
whoever has set a handler meanwhile. A thread reads it, and ends the process where the work has not ended by itself.
"""

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

LIMIT_S = 15.0  # from the first Ctrl-C: the state is kept, Ray and the tracker are closed
SECOND_LIMIT_S = 3.0  # from a second one
SAME_PRESS_S = 0.5  # a shell or dvc may hand the terminal's signal on
PATIENCE_S = 2.0  # after which who waits is told that the work is ending
EXIT_CODE = 130
HERE = "stopped; the next run goes on from here"

logger = logging.getLogger(__name__)

_where: list[Callable[[], str]] = []


def say_where(line: Callable[[], str]) -> None:
    """Set what is said when this process is interrupted; the function may be called in another thread."""
    _where[:] = [line]


def watch_for_interrupts() -> None:
    """Turn Ctrl-C into KeyboardInterrupt, and end the process if it still runs some seconds later."""
    if threading.current_thread() is not threading.main_thread():
        return
    receiver, sender = os.pipe()
    os.set_blocking(sender, False)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as in a shell's background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.set_wakeup_fd(sender, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(receiver,), name="interrupts", daemon=True).start()


def end_interrupted(message: str = "") -> None:
    """End this process and its children with one line.

    Args:
        message: the line; by default that of `say_where`.
    """
    _kill_children()
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    show_cursor = "\x1b[?25h\r\x1b[K" if os.isatty(2) else ""  # a progress bar hides it
    with contextlib.suppress(OSError):
        os.write(2, f"{show_cursor}{message or (_where[0]() if _where else HERE)}\n".encode())
    os._exit(EXIT_CODE)  # no exit handlers: what had to be closed is closed, or has not ended in time


def _watch(receiver: int) -> None:
    first = 0.0
    while number := os.read(receiver, 1):
        if number[0] != signal.SIGINT or (first and time.monotonic() - first < SAME_PRESS_S):
            continue
        limits = (SECOND_LIMIT_S,) if first else (PATIENCE_S, LIMIT_S)
        first = first or time.monotonic()
        for limit, act in zip(reversed(limits), (end_interrupted, _ask_for_patience), strict=False):
            timer = threading.Timer(limit, act)
            timer.daemon = True
            timer.start()


def _ask_for_patience() -> None:
    logger.info("Ctrl-C: the work is ending, in %d seconds at the latest; a second one ends it at once", LIMIT_S)


def _kill_children() -> None:
    import psutil

    with contextlib.suppress(psutil.Error):
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()
