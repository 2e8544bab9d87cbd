"""What several stages ask of the data: which assets are there, shard by shard."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ltm3d.shards.index import IndexEntry, read_index
from ltm3d.shards.read import iter_shards


def available(data: Path, *folders: str) -> list[IndexEntry]:
    """Read the index and keep the assets that are in all of the given folders of shards.

    A stage before may have rejected some; its ledger says why.
    """
    entries = read_index(data / "meshes")
    for folder in folders:
        uids = {uid for shard in iter_shards(data / folder) for uid in shard.uids}
        entries = [entry for entry in entries if entry.uid in uids]
    return entries


def uids_by_shard(entries: Sequence[IndexEntry], split: str | None = None) -> dict[str, list[str]]:
    """Group the assets, of one split or all, by shard name."""
    groups: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        if split is None or entry.split == split:
            groups[entry.shard].append(entry.uid)
    return dict(groups)
