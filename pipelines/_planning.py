"""What several stages ask of the data: assets by shard, and the identity of the models they read."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ltm3d.shards.index import IndexEntry, read_index
from ltm3d.shards.read import list_shards
from ltm3d.transforms.encode_conditions import EncodeConditionsConfig


def available(data: Path, *folders: str) -> list[IndexEntry]:
    """Read the index and keep the assets that are in all of the given folders of shards.

    A stage before may have rejected some; its ledger says why.
    """
    entries = read_index(data / "meshes")
    for folder in folders:
        uids = {uid for shard in list_shards(data / folder) for uid in shard.uids}
        entries = [entry for entry in entries if entry.uid in uids]
    return entries


def uids_by_shard(entries: Sequence[IndexEntry], split: str | None = None) -> dict[str, list[str]]:
    """Group the assets, of one split or all, by shard name."""
    groups: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        if split is None or entry.split == split:
            groups[entry.shard].append(entry.uid)
    return dict(groups)


def folder_hash(folder: Path) -> str:
    """Hash the files of a model folder, names and content."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def own_encoder_hash(folder: Path, config: EncodeConditionsConfig) -> str:
    """Identify the condition encoder of the pipeline; empty where only named ones are used."""
    return folder_hash(folder) if config.uses_own_encoder else ""
