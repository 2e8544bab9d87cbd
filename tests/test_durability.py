"""The system's own answers; processes on a file system that lacks these calls are in the tests of what uses them."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ltm3d.durability import UNABLE, durable_writing, lock_file, sync_folder
from ltm3d.errors import StorageError

HOLDER = (
    "import fcntl, sys; file = open(sys.argv[1]); fcntl.flock(file, fcntl.LOCK_EX); print('held', flush=True); input()"
)


def test_a_folder_of_this_file_system_can_be_synced(tmp_path: Path) -> None:
    with durable_writing(tmp_path):
        sync_folder(tmp_path)


@pytest.mark.parametrize("number", UNABLE)
def test_what_a_file_system_cannot_do_is_told_with_the_remedy(number: int) -> None:
    told = pytest.raises(StorageError, match=r"^data/x: the file system refuses .*move data/ .*to a local disk")
    with told, durable_writing(Path("data/x")):
        raise OSError(number, os.strerror(number))


def test_a_pipe_cannot_be_synced() -> None:
    ends = os.pipe()
    with pytest.raises(StorageError, match="Invalid argument"), durable_writing(Path("pipe")):
        os.fsync(ends[0])


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_or_failing_disk_is_another_matter(number: int) -> None:
    with pytest.raises(OSError) as raised, durable_writing(Path("data/x")):
        raise OSError(number, os.strerror(number))
    assert raised.value.errno == number and not isinstance(raised.value, StorageError)


def test_a_lock_is_held_by_one_process_until_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with path.open() as file:
            assert not lock_file(file)
            holder.kill()
            holder.wait()
            assert lock_file(file)
