"""The files that the sources read, by path, size and time: where one changed, `download` looks what to fetch anew."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple


class FileStamp(NamedTuple):
    """What tells without reading a file that it is as it was."""

    size: int
    mtime_ns: int


def stamp_of(path: str | Path) -> FileStamp | None:
    """Read a file's stamp; None where there is no file."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return FileStamp(status.st_size, status.st_mtime_ns)


def listing_digest(inputs: Iterable[Path]) -> str:
    """Hash the list of files below folders, and of single files: path, size and time of each.

    Another digest does not mean that anything is fetched anew: that is decided by what the files hold.
    """
    digest = hashlib.sha256()
    for root in inputs:
        for path in _walk(str(root.expanduser())):
            stamp = stamp_of(path)
            digest.update(os.fsencode(f"{path}\0{stamp and tuple(stamp)}\n"))
    return digest.hexdigest()


def _walk(root: str) -> Iterator[str]:
    """Yield a file, or the files below a folder in order; hidden ones are left out, a linked folder is entered once."""
    if not os.path.isdir(root):
        yield root
        return
    seen = {os.path.realpath(root)}
    for folder, folders, names in os.walk(root, followlinks=True):
        kept = []
        for name in sorted(folders):
            real = os.path.realpath(os.path.join(folder, name))
            if not name.startswith(".") and real not in seen:
                seen.add(real)
                kept.append(name)
        folders[:] = kept
        yield from (os.path.join(folder, name) for name in sorted(names) if not name.startswith("."))
