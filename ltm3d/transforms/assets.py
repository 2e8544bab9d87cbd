"""What all transforms of single assets share: one bad asset is a row with a reason and never costs another."""

import errno
import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields as dataclass_fields
from typing import Any

import numpy as np

from ltm3d.errors import AssetError, Ltm3dError
from ltm3d.schema import Field, ObjectRecord
from ltm3d.shards.read import Shard
from ltm3d.shards.write import Reject
from ltm3d.transforms.mapping import ShardResult

logger = logging.getLogger(__name__)

Asset = tuple[Mapping[str, np.ndarray], Mapping[str, Any]]  # arrays by field, record
DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)


def map_assets(uids: Iterable[str], work: Callable[[str], Asset], *, fields: Sequence[Field]) -> ShardResult:
    """Call `work` for each asset in turn; what it raises for one asset becomes a reject.

    Raises:
        Ltm3dError, OSError: a fault that is not the asset's: a missing input, a full disk.
    """
    kept: list[str] = []
    arrays: dict[str, list[np.ndarray]] = {field.name: [] for field in fields}
    records: list[Mapping[str, Any]] = []
    rejects: list[Reject] = []
    for uid in uids:
        try:
            values, record = work(uid)
        except AssetError as error:
            rejects.append(Reject(uid=uid, reason=error.reason, detail=error.detail))
            continue
        except Exception as error:
            if isinstance(error, Ltm3dError) or (isinstance(error, OSError) and error.errno in DISK_FAULTS):
                raise
            logger.exception("%s failed", uid)
            rejects.append(Reject(uid=uid, reason="failed", detail=f"{type(error).__name__}: {error}"[:500]))
            continue
        kept.append(uid)
        records.append(record)
        for name, column in arrays.items():
            column.append(values[name])
    return ShardResult(uids=kept, arrays=arrays, records=records, rejects=rejects)


def positions(shard: Shard, uids: Sequence[str]) -> dict[str, int]:
    """Give the place in a shard of each asset; an asset that the shard lacks is left out."""
    places = {uid: place for place, uid in enumerate(shard.uids)}
    return {uid: places[uid] for uid in uids if uid in places}


def object_record(record: Mapping[str, Any]) -> ObjectRecord:
    """Take the object's own record out of a shard's, which may hold more."""
    return ObjectRecord(**{field.name: record[field.name] for field in dataclass_fields(ObjectRecord)})


def asset_rng(seed: int, uid: str) -> np.random.Generator:
    """Make the random generator of one asset: a function of (seed, uid) alone."""
    return np.random.default_rng([seed, int.from_bytes(hashlib.sha256(uid.encode()).digest()[:8], "little")])
