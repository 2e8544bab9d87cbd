"""Fetch objects from their sources into shards of archives."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ltm3d.errors import AssetError, ConfigError
from ltm3d.freshness.stage_code import NO_CODE, StageCode
from ltm3d.schema import RAW, ObjectRecord
from ltm3d.shards.archive import archive_bytes, read_archive
from ltm3d.shards.ledger import check_fraction
from ltm3d.shards.manifest import MAX_SHARDS, canonical_json, key_of, shard_name
from ltm3d.shards.read import Shard, committed_shard
from ltm3d.sources.faults import raise_fault
from ltm3d.sources.source import Source
from ltm3d.transforms.assets import Asset, map_assets, object_record, positions
from ltm3d.transforms.mapping import ShardJob, ShardResult
from ltm3d.transforms.source_files import Fetched, look_again, look_at, read_fetched, write_fetched


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
    objects: Sequence[tuple[Source, ObjectRecord]],
    *,
    config: DownloadConfig,
    folder: Path,
    raw: Path,
    code: Callable[[tuple[str, ...]], StageCode] = lambda kinds: NO_CODE,
) -> tuple[list[ShardJob], list[Source]]:
    """Plan one job a shard and write what it fetches to `folder`, one small file a shard.

    A job depends on the records and on where their source reads, not on how they were selected: another limit leaves
    shards without new objects alone. It is stale where a file that its objects were read from changed.

    Args:
        raw: the shards that were fetched before.
        code: kinds of sources → the code that fetches from them.

    Returns:
        The jobs, and the sources that their files refer to by number.
    """
    sources: list[Source] = []
    rows: dict[str, list[dict[str, Any]]] = {}
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
        places = [str(getattr(sources[row["source"]], "root", "")) for row in rows[name]]
        records = [row["record"] for row in rows[name]]
        job = ShardJob(
            name=name,
            uids=tuple(record["uid"] for record in records),
            inputs=(path,),
            key=key_of(records, places, RAW),
            code=code(tuple(sorted({record["source"] for record in records}))),
        )
        jobs.append(
            replace(job, is_stale=files_changed(job, committed_shard(raw / name, job.key), rows[name], sources))
        )
    return jobs, sources


def files_changed(
    job: ShardJob, shard: Shard | None, rows: Sequence[Mapping[str, Any]], sources: Sequence[Source]
) -> bool:
    """Say whether a file that a shard's objects were read from is no longer what it was.

    Where nothing is written down, e.g. in a fresh clone, the files are compared with what the shard holds.
    """
    if shard is None:
        return False
    path = _files_of(job)
    known, fetched = read_fetched(path), dict[str, Fetched]()
    places = positions(shard, shard.uids)
    for row in rows:
        source, record = sources[row["source"]], object_record(row["record"])
        if not source.inputs():
            continue
        place = places.get(record.uid)
        before = known.get(record.uid)
        content = "" if place is None else str(shard.records[place]["content_hash"])
        if before is None or before.content_hash != content:
            before = None if place is None else _compare(source, record, shard, place)
        now = None if before is None else look_again(before)
        if now is None:
            path.unlink(missing_ok=True)  # a run that is killed now finds the change again
            return True
        fetched[record.uid] = now
    if fetched != known:
        write_fetched(path, fetched)
    return False


def download_shard(job: ShardJob, *, sources: Sequence[Source]) -> ShardResult:
    """Fetch the objects that the job's plan file lists, and note which files they were read from."""
    rows = json.loads(job.inputs[0].read_text(encoding="utf-8"))
    by_uid = {row["record"]["uid"]: row for row in rows}
    fetched: dict[str, Fetched] = {}

    def fetch(uid: str) -> Asset:
        row = by_uid[uid]
        source, record = sources[row["source"]], object_record(row["record"])
        files: dict[str, bytes] = {}
        content = ""
        try:
            raise_fault(record)
            files = source.fetch(record)
            content = content_hash(files)
        finally:
            if source.inputs():
                fetched[uid] = Fetched(content_hash=content, files=look_at(source.places(record, files)))
        archive = np.frombuffer(archive_bytes(files), dtype=np.uint8)
        return {"archive": archive}, {**row["record"], "content_hash": content}

    result = map_assets(job.uids, fetch, fields=RAW)
    if fetched:
        write_fetched(_files_of(job), fetched)
    return result


def _files_of(job: ShardJob) -> Path:
    return job.inputs[0].with_suffix(".files.json")


def _compare(source: Source, record: ObjectRecord, shard: Shard, place: int) -> Fetched | None:
    """Compare the files that a shard holds of an object with the source's; None where they differ."""
    held = read_archive(np.asarray(shard["archive"][place]).tobytes())
    try:
        if content_hash(source.fetch(record)) != content_hash(held):
            return None
    except AssetError:
        return None
    content = str(shard.records[place]["content_hash"])
    return Fetched(content_hash=content, files=look_at(source.places(record, held)))


def content_hash(files: Mapping[str, bytes]) -> str:
    """Hash what the files hold, not what they are called."""
    hashes = sorted(hashlib.sha256(content).hexdigest() for content in files.values())
    return hashlib.sha256("".join(hashes).encode()).hexdigest()
