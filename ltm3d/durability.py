"""What not every file system can do: keep a rename through a crash, and lock a file against other processes."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ltm3d.errors import StorageError

# What a file system answers that lacks an operation, or takes none; a full or a failing disk answers otherwise.
UNABLE = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTTY, errno.EPERM, errno.EROFS)
REMEDY = "move data/ (LTM3D_DATA) to a local disk, NFS 4 or Lustre with flock; a mounted object store will not do"


@contextmanager
def durable_writing(path: Path) -> Iterator[None]:
    """Tell the file systems that cannot keep what the body writes from the disks that cannot now.

    Raises:
        StorageError: the file system of `path` lacks rename, fsync or fsync of a folder.
        OSError: whatever else went wrong, a full disk for instance.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in UNABLE:
            raise
        raise StorageError(
            f"{path}: the file system refuses what keeps a file through a crash, rename and fsync of file and folder "
            f"({error.strerror}): {REMEDY}"
        ) from error


def sync_folder(folder: Path) -> None:
    """Force to the disk which names a folder holds.

    Raises:
        OSError: EINVAL or the like where the file system cannot; see `durable_writing`.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lock_file(file: IO[Any]) -> bool:
    """Take an exclusive lock on an open file; the system drops it when the file is closed or the process ends.

    Returns:
        False where another process holds it.

    Raises:
        StorageError: the file system has no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise StorageError(
            f"{file.name}: the file system refuses a lock by flock ({error.strerror}), without which two processes "
            f"would spoil each other's work: {REMEDY}"
        ) from error
    return True
