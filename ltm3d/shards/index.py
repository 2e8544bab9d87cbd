"""`index.json` of the cleaned meshes: the assets every later stage works on, and their split."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ltm3d.errors import DataError
from ltm3d.schema import SPLITS

INDEX_FILE = "index.json"


@dataclass(frozen=True, kw_only=True)
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


def write_index(folder: Path, entries: Sequence[IndexEntry]) -> None:
    """Write `index.json`, sorted by uid."""
    assets = [asdict(entry) for entry in sorted(entries, key=lambda entry: entry.uid)]
    temporary = folder / f".{INDEX_FILE}"
    temporary.write_text(json.dumps({"assets": assets}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(folder / INDEX_FILE)


def read_index(folder: Path) -> list[IndexEntry]:
    """Read `index.json` of the folder that `clean_meshes` writes.

    Raises:
        DataError: it is missing or of another make.
    """
    try:
        rows = json.loads((folder / INDEX_FILE).read_text(encoding="utf-8"))["assets"]
        entries = [IndexEntry(**{**row, "offset": tuple(row["offset"])}) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / INDEX_FILE} cannot be read ({error}); run clean_meshes (dvc repro)") from error
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
