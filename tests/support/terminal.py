"""A pseudo-terminal with a command in its foreground, and a person who presses Ctrl-C."""

import os
import pty
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil


class Terminal:
    """A command in a session of its own, whose foreground processes the terminal's keys reach.

    Attributes:
        output: what stands on the screen so far.
    """

    def __init__(self, command: Sequence[str | Path], folder: Path, environment: Mapping[str, str]) -> None:
        self.output = ""
        self.pid, self._screen = pty.fork()
        if self.pid == 0:
            try:
                signal.signal(signal.SIGINT, signal.SIG_DFL)  # a test run in the background ignores it
                os.chdir(folder)
                os.execvpe(str(command[0]), [str(word) for word in command], dict(environment))
            finally:
                os._exit(127)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def press_ctrl_c(self) -> float:
        """Press it; give the time."""
        os.write(self._screen, b"\x03")
        return time.monotonic()

    def wait_until(self, happens: Callable[[], object], timeout_s: float = 500) -> None:
        """Wait for something that the command does."""
        deadline = time.monotonic() + timeout_s
        while not happens():
            if time.monotonic() > deadline or not psutil.pid_exists(self.pid):
                raise AssertionError(f"it did not happen: {self.output[-4000:]}")
            time.sleep(0.01)

    def wait(self, timeout_s: float) -> int:
        """Wait for the command's end and give its exit code, that of a signal as a shell does."""
        deadline = time.monotonic() + timeout_s
        while (found := os.waitpid(self.pid, os.WNOHANG))[0] == 0:
            if time.monotonic() > deadline:
                raise AssertionError(f"it still runs after {timeout_s} s: {self.output[-4000:]}")
            time.sleep(0.02)
        self.pid = 0
        self._reader.join(5)
        code = os.waitstatus_to_exitcode(found[1])
        return code if code >= 0 else 128 - code

    def processes(self) -> list[psutil.Process]:
        """Return the command and its descendants."""
        top = psutil.Process(self.pid)
        return [top, *top.children(recursive=True)]

    def close(self) -> None:
        """Kill what still runs."""
        if self.pid:
            for process in self.processes():
                process.kill()
            os.waitpid(self.pid, 0)
        os.close(self._screen)

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._screen, 4096)
            except OSError:  # the last process has closed its end
                return
            self.output += data.decode(errors="replace")


@contextmanager
def terminal(command: Sequence[str | Path], folder: Path, environment: Mapping[str, str]) -> Iterator[Terminal]:
    """Run a command in a terminal; whatever happens, none of its processes stays."""
    opened = Terminal(command, folder, environment)
    try:
        yield opened
    finally:
        opened.close()
