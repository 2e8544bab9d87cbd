"""What a stage reads, as MLflow shows it: a data set has a name, a digest of its content, and a place."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from ltm3d.shards.manifest import SHARD_FILE, read_manifest
from ltm3d.tracking.provenance import file_hash

LENGTH = 32  # of a digest; MLflow takes 36
MADE_OF = "provenance.json"  # beside a model; content alone counts


def data_digest(path: Path) -> str | None:
    """Hash a file, or a folder's files by name; of a shard its own digest, which stands for all that is in it.

    Returns:
        32 hexadecimal digits; None where nothing is there.
    """
    parts = [f"{name} {digest}" for name, digest in _digests(path)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:LENGTH] if parts else None


def _digests(path: Path) -> Iterator[tuple[str, str]]:
    if path.is_file():
        yield path.name, file_hash(path)
        return
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        name = Path(folder).relative_to(path).as_posix()
        if SHARD_FILE in files:
            manifest = read_manifest(Path(folder))
            yield name, "damaged" if manifest is None else manifest["digest"]
            folders.clear()
            continue
        for file in sorted(files):
            if not file.startswith(".") and file != MADE_OF:
                yield f"{name}/{file}", file_hash(Path(folder, file))
