"""Ports of the loopback that no other test has, whatever runs beside it."""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

RANGE = range(20_000, 32_000)  # below what the system gives to clients, above the ports of Ray's workers
_held: list[int] = []  # file descriptors: a lock lasts as long as this process


def free_port() -> int:
    """Take a port that nothing listens at, for this process; no other process gets it until this one has ended."""
    folder = Path(tempfile.gettempdir()) / f"ltm3d-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for port in random.SystemRandom().sample(RANGE, len(RANGE)):
        lock = os.open(folder / str(port), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.create_server(("127.0.0.1", port)):
                _held.append(lock)
                return port
        except OSError:
            os.close(lock)
    raise OSError(f"no free port from {RANGE.start} to {RANGE.stop - 1}")
