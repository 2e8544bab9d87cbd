"""What a source is, and how several make one list of objects."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from ltm3d.errors import ConfigError, SourceError
from ltm3d.schema import ObjectRecord
from ltm3d.sources.faults import with_safe_uid
from ltm3d.sources.licences import matches_licence

logger = logging.getLogger(__name__)

AXES = ("+x", "-x", "+y", "-y", "+z", "-z")


class Source(Protocol):
    """A frozen dataclass with these settings, and with what it needs to find its objects.

    Attributes:
        name: the source's name, as in `ObjectRecord.source`.
        weight: relative share of the objects: the source of the largest weight gives all of its own, another
            gives weight / largest of its own, picked by uid.
    """

    @property
    def name(self) -> str: ...

    @property
    def weight(self) -> float: ...

    def inputs(self) -> list[Path]:
        """List the folders and files that the source reads, as far as they may change."""
        ...

    def list_objects(self) -> list[ObjectRecord]:
        """List the objects, sorted by uid, after the licence filter and the limit."""
        ...

    def fetch(self, record: ObjectRecord) -> dict[str, bytes]:
        """Read one object's own files: name in the archive → bytes."""
        ...

    def places(self, record: ObjectRecord, files: Mapping[str, bytes]) -> list[Path]:
        """List what `fetch` looked at for the files that it gave: they, what they refer to and lacks, folders it lists.

        An object that cannot change has none.
        """
        ...


def check_settings(
    *, limit: int | None, weight: float, licences: Sequence[str] | None = None, up: str = "+y", front: str = "+z"
) -> None:
    """Check the settings that all sources share."""
    if limit is not None and limit < 1:
        raise ConfigError(f"limit is {limit}, must be at least 1; leave it out for all objects")
    if not weight > 0:
        raise ConfigError(f"weight is {weight}, must be above 0; remove the source from the list to leave it out")
    if licences is not None and not licences:
        raise ConfigError("licences is an empty list, which lets no object pass; leave it out for any licence")
    for field, axis in (("up", up), ("front", front)):
        if axis not in AXES:
            raise ConfigError(f"{field} is '{axis}', must be one of {', '.join(AXES)}")
    if up[1] == front[1]:
        raise ConfigError(f"up {up} and front {front} lie on one axis: name two different ones")


def pick_uids(uids: Sequence[str], count: int) -> list[str]:
    """Keep `count` uids by their hash, in their order; a larger count only adds."""
    kept = sorted(uids, key=lambda uid: hashlib.sha256(uid.encode()).digest())[:count]
    chosen = set(kept)
    return [uid for uid in uids if uid in chosen]


def select_records(
    records: Sequence[ObjectRecord], *, source: str, limit: int | None, licences: Sequence[str] | None
) -> list[ObjectRecord]:
    """Apply a licence filter, then a limit; sorted by uid. Rows that cannot be used pass every filter.

    Raises:
        SourceError: nothing is left.
    """
    if not records:
        raise SourceError(f"the source {source} selects no object: widen its selection")
    allowed = [
        record
        for record in records
        if licences is None or record.fault or any(matches_licence(record.licence, w) for w in licences)
    ]
    if len(allowed) < len(records):
        logger.info("%s: %d of %d objects left out by licence", source, len(records) - len(allowed), len(records))
    if licences is not None and all(record.fault for record in allowed):
        seen = sorted({record.licence or "unknown" for record in records})
        raise SourceError(
            f"no object of the source {source} has a licence among {', '.join(licences or ())}: "
            f"its objects have {', '.join(seen[:8])}"
        )
    ordered = sorted(allowed, key=lambda record: record.uid)
    return ordered if limit is None else _pick_records(ordered, limit)


def _pick_records(records: Sequence[ObjectRecord], count: int) -> list[ObjectRecord]:
    chosen = set(pick_uids([record.uid for record in records], count))
    return [record for record in records if record.uid in chosen]


def combine_sources(sources: Sequence[Source]) -> list[tuple[Source, ObjectRecord]]:
    """List the objects of all sources, thinned by weight, sorted by uid.

    Raises:
        SourceError: no source, a source without objects, or uids that two sources give: all of them.
    """
    if not sources:
        raise SourceError("the list of sources is empty: name at least one (procedural needs no data)")
    largest = max(source.weight for source in sources)
    combined: dict[str, tuple[Source, ObjectRecord]] = {}
    twice: list[str] = []
    for source in sources:
        records = [with_safe_uid(record) for record in source.list_objects()]
        if not records:
            raise SourceError(f"the source {source.name} selects no object: widen its selection")
        count = max(1, round(len(records) * source.weight / largest))
        for record in _pick_records(records, count):
            if record.uid in combined:
                twice.append(f"{record.uid} ({combined[record.uid][0].name}, {source.name})")
            combined[record.uid] = (source, record)
        logger.info("%s: %d objects", source.name, count)
    if twice:
        more = f" and {len(twice) - 10} more" if len(twice) > 10 else ""
        raise SourceError(
            f"two sources give the uids {', '.join(twice[:10])}{more}: remove one of the sources, "
            "or give a folder source another `prefix`"
        )
    return [combined[uid] for uid in sorted(combined)]
