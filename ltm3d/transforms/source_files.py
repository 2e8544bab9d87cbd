"""The source's own files that each fetched object was read from, so that an edited, added or removed one is seen.

One JSON file a shard lies beside the download's plan: uid → the content hash of what was fetched, and each file's path,
size, time and sha256. A file whose size and time are as they were is not read again.
"""

import hashlib
import json
import os
import stat
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ltm3d.sources.listing import FileStamp, stamp_of

TICK_NS = 2_000_000_000  # a file may change again within one tick of its time, and keep size and time


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One file, or folder, that fetching an object looks at.

    Attributes:
        stamp: its size and time when it was read; None = it is to be read again.
        sha256: of its bytes, or of the names in a folder; None = it is not there.
    """

    path: str
    stamp: FileStamp | None
    sha256: str | None


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What is known of one fetched object.

    Attributes:
        content_hash: as in the shard's record; empty for an object that was turned away.
    """

    content_hash: str
    files: tuple[SourceFile, ...]


def look_at(paths: Iterable[Path]) -> tuple[SourceFile, ...]:
    """Read stamps and hashes of files."""
    found = []
    for path in paths:
        stamp = stamp_of(path)
        sha256 = None if stamp is None else _hash(path)
        is_young = stamp is not None and time.time_ns() - stamp.mtime_ns < TICK_NS
        found.append(SourceFile(path=str(path), stamp=None if is_young else stamp, sha256=sha256))
    return tuple(found)


def look_again(fetched: Fetched) -> Fetched | None:
    """Compare files with what they were; None where one holds something else, has come or has gone.

    Returns:
        The object with today's sizes and times.
    """
    files = []
    for file in fetched.files:
        stamp = stamp_of(file.path)
        if stamp is None and file.sha256 is None:
            files.append(file)
        elif stamp is None or file.sha256 is None:
            return None
        elif stamp == file.stamp:
            files.append(file)
        else:
            (now,) = look_at([Path(file.path)])
            if now.sha256 != file.sha256:
                return None
            files.append(now)
    return replace(fetched, files=tuple(files))


def read_fetched(path: Path) -> dict[str, Fetched]:
    """Read what is known of a shard's objects; nothing where the file is missing or damaged."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {
            uid: Fetched(
                content_hash=row["content_hash"],
                files=tuple(
                    SourceFile(
                        path=file["path"],
                        stamp=None if file["stamp"] is None else FileStamp(*file["stamp"]),
                        sha256=file["sha256"],
                    )
                    for file in row["files"]
                ),
            )
            for uid, row in rows.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def write_fetched(path: Path, objects: Mapping[str, Fetched]) -> None:
    """Write it, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps({uid: asdict(objects[uid]) for uid in sorted(objects)}), encoding="utf-8")
    temporary.replace(path)


def _hash(path: Path) -> str | None:
    try:
        if path.is_dir():
            return hashlib.sha256("\n".join(sorted(os.listdir(path))).encode("utf-8", "surrogateescape")).hexdigest()
        if not path.is_file():  # a pipe or a device, which gives no end of bytes, or none
            return hashlib.sha256(f"{stat.S_IFMT(path.stat().st_mode)}".encode()).hexdigest()
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None  # it went just now, or may not be read
