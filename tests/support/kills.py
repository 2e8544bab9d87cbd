"""A process killed just before one of its calls of the file system, as a crash may."""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

CALLS = ("open", "os.", "shutil.")  # audit events of what touches files


def killed_at_call(number: int, work: Callable[[], None]) -> bool:
    """Do some work in a child process that SIGKILL ends before its call of this number; say whether it came so far."""
    child = os.fork()
    if child == 0:
        try:
            _count_calls(number)
            work()
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the work itself failed"
    return os.WIFSIGNALED(status)


def _count_calls(number: int) -> None:
    left = number

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event.startswith(CALLS) and event not in ("os.fork", "os.kill"):
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    sys.addaudithook(count)
