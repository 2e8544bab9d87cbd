"""The unit of work: one shard, what it reads, and what comes out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltm3d.errors import DataError
from ltm3d.freshness.stage_code import NO_CODE, StageCode
from ltm3d.shards.manifest import key_of
from ltm3d.shards.read import read_shard
from ltm3d.shards.write import Reject


@dataclass(frozen=True, kw_only=True)
class ShardJob:
    """The work of one task.

    Attributes:
        name: the shard's name.
        inputs: what the task reads, mostly folders of shards of the same name.
        key, code: see `plan.key_of`; a committed shard with this key, of code that gives the same, is not made again.
        is_stale: what the task reads is not what it was, though key and code are the same: it is made again.
    """

    name: str
    uids: tuple[str, ...]
    inputs: tuple[Path, ...]
    key: str
    code: StageCode = NO_CODE
    is_stale: bool = False


@dataclass(frozen=True, kw_only=True)
class ShardResult:
    """What a transform makes of a job: for each field one array an asset, in the order of `uids`."""

    uids: Sequence[str]
    arrays: Mapping[str, Sequence[np.ndarray]]
    records: Sequence[Mapping[str, Any]]
    rejects: Sequence[Reject] = ()


Transform = Callable[[ShardJob], ShardResult]


def plan_jobs(
    uids_by_shard: Mapping[str, Sequence[str]],
    *,
    inputs: Sequence[Path],
    key_parts: Sequence[Any],
    code: StageCode = NO_CODE,
) -> list[ShardJob]:
    """Plan one job a shard, reading the shards of the same name in each input folder.

    Args:
        key_parts: what the work depends on beside its inputs: settings, schema, seed.
        code: of the stage.

    Raises:
        DataError: no assets, or an input shard is missing or not whole.
    """
    if not any(uids_by_shard.values()):
        raise DataError(
            f"no asset to work on in {', '.join(map(str, inputs)) or 'the plan'}: run the stage that writes it "
            "(dvc repro), or name more objects in the recipe's sources"
        )
    jobs = []
    for name in sorted(uids_by_shard):
        uids = tuple(sorted(uids_by_shard[name]))
        folders = tuple(root / name for root in inputs)
        key = key_of(*key_parts, [read_shard(folder).digest for folder in folders], uids)
        jobs.append(ShardJob(name=name, uids=uids, inputs=folders, key=key, code=code))
    return jobs
