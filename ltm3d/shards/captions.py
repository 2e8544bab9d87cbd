"""`captions.json`: the text prompt of every asset, by uid; what `caption_views` writes, the rest read and export."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ltm3d.errors import DataError
from ltm3d.shards.index import IndexEntry

CAPTIONS_FILE = "captions.json"


def write_captions(folder: Path, captions: Mapping[str, str]) -> None:
    """Write uid → caption, sorted by uid."""
    document = json.dumps(dict(sorted(captions.items())), indent=1, ensure_ascii=False)
    (folder / CAPTIONS_FILE).write_text(f"{document}\n", encoding="utf-8")


def with_captions(entries: Sequence[IndexEntry], folder: Path) -> list[IndexEntry]:
    """Give the assets the captions of a folder; one that it does not name keeps the source's.

    Raises:
        DataError: there is no such file, or it is damaged.
    """
    path = folder / CAPTIONS_FILE
    try:
        captions = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); run caption_views (dvc repro)") from error
    return [replace(entry, caption=captions.get(entry.uid, entry.caption)) for entry in entries]
