"""Files that may not be removed, also where the tests run as root, and file systems that lack what others have."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534
LIBRARY = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuses(const char *name) {
    const char *path = getenv(name);
    return path && access(path, F_OK) == 0;
}

int fsync(int descriptor) {
    struct stat found;
    if (refuses("REFUSES_SYNC_WHILE") && fstat(descriptor, &found) == 0 && S_ISDIR(found.st_mode)) {
        errno = EINVAL;
        return -1;
    }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(descriptor);
}

int flock(int descriptor, int operation) {
    if (refuses("REFUSES_LOCKS_WHILE")) {
        errno = ENOSYS;
        return -1;
    }
    return ((int (*)(int, int))dlsym(RTLD_NEXT, "flock"))(descriptor, operation);
}
"""


@contextmanager
def undeletable_folder() -> Iterator[Path]:
    """Give a folder in which this process obeys the files' modes: root becomes nobody for a while."""
    folder = Path(tempfile.mkdtemp(prefix="ltm3d-test-"))
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        for path in folder.rglob("*"):
            if path.is_dir():
                path.chmod(0o700)
        shutil.rmtree(folder)


def lock_up(folder: Path) -> None:
    """Let nothing in a folder be removed."""
    folder.chmod(0o500)


def lacking_file_system(folder: Path, *, sync: Path | None = None, locks: Path | None = None) -> dict[str, str]:
    """Return variables for a process that sees a file system without fsync of folders, or without flock.

    Args:
        folder: where the library that answers in its place is built.
        sync, locks: the lack begins when this file is there.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("a C compiler builds the library that stands for such a file system")
    source, library = folder / "lacking.c", folder / "lacking.so"
    source.write_text(LIBRARY)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    variables = {"LD_PRELOAD": str(library)}
    if sync is not None:
        variables["REFUSES_SYNC_WHILE"] = str(sync)
    if locks is not None:
        variables["REFUSES_LOCKS_WHILE"] = str(locks)
    return variables
