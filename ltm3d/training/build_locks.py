"""Locks of compilers of extensions that were killed: whoever needs the extension next would wait for them for ever.

torch compiles an extension in a folder of its name, with an empty file `lock` that its maker holds open and removes at
the end (`torch.utils.file_baton`). A lock that no process holds open is of a dead maker.
"""

import logging
import os
import socket
import time
from pathlib import Path

logger = logging.getLogger(__name__)

VARIABLE = "TORCH_EXTENSIONS_DIR"

_RELEASE_S = 0.5  # a living maker closes its lock and removes it at once


def prepare_builds() -> None:
    """Have this process compile extensions in a folder of this machine alone, and free it from dead locks.

    What TORCH_EXTENSIONS_DIR says stays; it must not be shared by machines, which do not see each other's processes.
    """
    folder = Path.home() / ".cache" / "ltm3d" / "torch_extensions" / socket.gethostname()
    os.environ.setdefault(VARIABLE, str(folder))
    remove_dead_locks(Path(os.environ[VARIABLE]))


def remove_dead_locks(folder: Path) -> list[Path]:
    """Remove the locks that no process of this machine holds open, and return them."""
    found = _dead_locks(folder)
    if not found:
        return []
    time.sleep(_RELEASE_S)
    again = _dead_locks(folder)
    removed = [path for path, inode in found.items() if again.get(path) == inode]
    for path in removed:
        path.unlink(missing_ok=True)
        logger.warning("%s: its maker was killed while it compiled; removed", path)
    return removed


def _dead_locks(folder: Path) -> dict[Path, int]:
    # Listed before the processes are asked: a lock that is made in between is not in the list.
    locks = {path.resolve(): path.stat().st_ino for path in folder.rglob("lock") if path.is_file()}
    if not locks:
        return {}
    held = {target for process in Path("/proc").glob("[0-9]*") for target in _open_files(process)}
    return {path: inode for path, inode in locks.items() if str(path) not in held}


def _open_files(process: Path) -> list[str]:
    try:
        return [os.readlink(entry) for entry in (process / "fd").iterdir()]
    except OSError:  # it has ended, or is another user's, who has folders of his own
        return []
