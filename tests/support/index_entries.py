"""Rows of the index of kept assets, of which a test names what it is about."""

from typing import Any

from ltm3d.shards.index import IndexEntry


def entry_of(uid: str, **named: Any) -> IndexEntry:
    """A kept asset of the test split in the first shard; all else as named."""
    rest = {
        "shard": "shard-00000",
        "split": "test",
        "category": "chair",
        "caption": "A chair.",
        "source": "procedural",
        "licence": "CC0-1.0",
        "name": "",
        "num_faces": 12,
        "is_watertight": True,
        "scale": 1.0,
        "offset": (0.0, 0.0, 0.0),
    }
    return IndexEntry(uid=uid, **{**rest, **named})
