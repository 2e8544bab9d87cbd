"""Fetch objects from their sources into shards of archives."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ltm3d.errors import ConfigError
from ltm3d.schema import RAW, ObjectRecord
from ltm3d.shards.archive import archive_bytes
from ltm3d.shards.ledger import check_fraction
from ltm3d.shards.plan import MAX_SHARDS, canonical_json, key_of, shard_name
from ltm3d.sources.source import Source
from ltm3d.transforms.assets import Asset, map_assets, object_record
from ltm3d.transforms.mapping import ShardJob, ShardResult

CODE_VERSION = 1  # raise it when the same settings give other bytes: in this file, or in a source's fetch


@dataclass(frozen=True, kw_only=True)
class DownloadConfig:
    """How the objects are kept.

    Attributes:
        num_shards: of every data stage; some tens of assets a shard keep two workers busy, thousands a cluster.
    """

    num_shards: int = 16
    max_reject_fraction: float = 0.1

    def __post_init__(self) -> None:
        if not 1 <= self.num_shards <= MAX_SHARDS:
            raise ConfigError(f"num_shards is {self.num_shards}; give 1 to {MAX_SHARDS}")
        check_fraction("max_reject_fraction", self.max_reject_fraction)


def plan_download(
    objects: Sequence[tuple[Source, ObjectRecord]], *, config: DownloadConfig, folder: Path
) -> tuple[list[ShardJob], list[Source]]:
    """Plan one job a shard and write what it fetches to `folder`, one small file a shard.

    A job depends on the records and on where their source reads, not on how they were selected: another limit leaves
    shards without new objects alone.

    Returns:
        The jobs, and the sources that their files refer to by number.
    """
    sources: list[Source] = []
    rows: dict[str, list[dict[str, object]]] = {}
    for source, record in sorted(objects, key=lambda item: item[1].uid):
        if source not in sources:
            sources.append(source)
        row = {"source": sources.index(source), "record": asdict(record)}
        rows.setdefault(shard_name(record.uid, config.num_shards), []).append(row)
    folder.mkdir(parents=True, exist_ok=True)
    jobs = []
    for name in sorted(rows):
        path = folder / f"{name}.json"
        path.write_text(canonical_json(rows[name]) + "\n", encoding="utf-8")
        places = [str(getattr(sources[int(str(row["source"]))], "root", "")) for row in rows[name]]
        records = [row["record"] for row in rows[name]]
        uids = tuple(str(record["uid"]) for record in records if isinstance(record, dict))
        jobs.append(ShardJob(name=name, uids=uids, inputs=(path,), key=key_of(records, places, RAW, CODE_VERSION)))
    return jobs, sources


def download_shard(job: ShardJob, *, sources: Sequence[Source]) -> ShardResult:
    """Fetch the objects that the job's plan file lists."""
    rows = json.loads(job.inputs[0].read_text(encoding="utf-8"))
    by_uid = {row["record"]["uid"]: row for row in rows}

    def fetch(uid: str) -> Asset:
        row = by_uid[uid]
        files = sources[row["source"]].fetch(object_record(row["record"]))
        archive = np.frombuffer(archive_bytes(files), dtype=np.uint8)
        return {"archive": archive}, {**row["record"], "content_hash": content_hash(files)}

    return map_assets(job.uids, fetch, fields=RAW)


def content_hash(files: Mapping[str, bytes]) -> str:
    """Hash what the files hold, not what they are called."""
    hashes = sorted(hashlib.sha256(content).hexdigest() for content in files.values())
    return hashlib.sha256("".join(hashes).encode()).hexdigest()
