"""`index.json` of the cleaned meshes: the assets every later stage works on, and their split."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ltm3d.errors import DataError
from ltm3d.schema import SPLITS

INDEX_FILE = "index.json"
FIRST_LINE, LAST_LINE = '{"assets": [\n', "]}\n"  # one asset a line between them: read without holding the file


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexEntry:
    """One kept asset.

    Attributes:
        num_faces, is_watertight: of the cleaned mesh, vertices welded by position.
        scale, offset: normalised = (R · source − offset) · scale.
    """

    uid: str
    shard: str
    split: str
    category: str
    caption: str
    source: str
    licence: str
    name: str
    num_faces: int
    is_watertight: bool
    scale: float
    offset: tuple[float, float, float]
    attributes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("shard", "split", "category", "source", "licence"):  # of a million assets, a few words
            object.__setattr__(self, name, sys.intern(getattr(self, name)))


def write_index(folder: Path, entries: Sequence[IndexEntry]) -> None:
    """Write `index.json`, sorted by uid, one asset a line."""
    names = [entry_field.name for entry_field in fields(IndexEntry)]
    temporary = folder / f".{INDEX_FILE}"
    with temporary.open("w", encoding="utf-8") as file:
        file.write(FIRST_LINE)
        for number, entry in enumerate(sorted(entries, key=lambda entry: entry.uid), start=1):
            row = {name: getattr(entry, name) for name in names}
            comma = "," if number < len(entries) else ""
            file.write(f"{json.dumps(row, ensure_ascii=False)}{comma}\n")
        file.write(LAST_LINE)
    temporary.replace(folder / INDEX_FILE)


def iter_index(folder: Path) -> Iterator[IndexEntry]:
    """Read `index.json` of the folder that `clean_meshes` writes, asset by asset.

    Raises:
        DataError: it is missing or of another make.
    """
    try:
        for row in _rows(folder / INDEX_FILE):
            yield IndexEntry(**{**row, "offset": tuple(row["offset"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / INDEX_FILE} cannot be read ({error}); run clean_meshes (dvc repro)") from error


def read_index(folder: Path) -> list[IndexEntry]:
    """Read `index.json` as a whole, some 700 bytes of memory an asset.

    Raises:
        DataError: it is missing or of another make, or names no asset.
    """
    entries = list(iter_index(folder))
    if not entries:
        raise DataError(f"{folder / INDEX_FILE} names no asset; run clean_meshes (dvc repro)")
    return entries


def uids_of_split(entries: Sequence[IndexEntry], split: str) -> list[str]:
    """Give the uids of one split, sorted.

    Raises:
        DataError: the split has no asset.
    """
    if split not in SPLITS:
        raise ValueError(f"{split!r} is no split; one of {', '.join(SPLITS)}")
    uids = [entry.uid for entry in entries if entry.split == split]
    if not uids:
        raise DataError(f"the split {split!r} has no asset; give the data set more objects")
    return uids


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        if file.readline() != FIRST_LINE:  # the same JSON in another layout
            file.seek(0)
            yield from json.load(file)["assets"]
            return
        for line in file:
            if line == LAST_LINE:
                return
            yield json.loads(line.rstrip(",\n"))
    raise ValueError("it breaks off")
