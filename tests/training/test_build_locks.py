"""A maker of an extension that was killed leaves its lock; one that lives holds it."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from torch.utils.file_baton import FileBaton

from ltm3d.training.build_locks import VARIABLE, prepare_builds, remove_dead_locks

MAKER = """
import sys, time
from torch.utils.file_baton import FileBaton
assert FileBaton(sys.argv[1]).try_acquire()
print("made", flush=True)
time.sleep(600)
"""


@contextmanager
def maker(lock: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has begun to compile, as torch does."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen([sys.executable, "-c", MAKER, lock], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "made\n"
        yield process
    finally:
        process.kill()
        process.wait()


def test_the_lock_of_a_killed_maker_goes_and_that_of_a_living_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, alive = tmp_path / "cpu_adam" / "lock", tmp_path / "py311_cpu" / "shm_comm" / "lock"
    with maker(dead) as process, maker(alive):
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not FileBaton(str(dead)).try_acquire(), "who waits for this one waits for ever"
        monkeypatch.setenv(VARIABLE, str(tmp_path))
        prepare_builds()
        assert not dead.exists() and alive.exists()
        assert FileBaton(str(dead)).try_acquire()
    assert remove_dead_locks(tmp_path / "none") == []
