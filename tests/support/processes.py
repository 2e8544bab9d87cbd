"""Servers as processes of their own: started, waited for, ended."""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

START_TIMEOUT_S = 180


@contextmanager
def running(
    command: Sequence[str | Path], *, health: str, folder: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen]:
    """Start a server in a folder, wait until its health page answers, and end it and its children afterwards."""
    output = folder / "server.log"
    with output.open("w") as file:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            env=dict(environment),
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(process, health, output)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(20)


def _wait(process: subprocess.Popen, health: str, output: Path) -> None:
    for _ in range(START_TIMEOUT_S * 5):
        try:
            with urllib.request.urlopen(health, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            if process.poll() is not None:
                break
            time.sleep(0.2)
    raise RuntimeError(f"no answer at {health}; exit status {process.poll()}\n{output.read_text()[-3000:]}")
