"""Assets that are tried again at the next run of their stage, without their neighbours in the shard.

The shard comes out as if all of its assets had gone well at once: the same bytes. Where nothing has come of it but
another try, its shard.json stays, and so does all work that is keyed by it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ltm3d.errors import ConfigError
from ltm3d.schema import RETRIED, UNSETTLED, Field
from ltm3d.shards.read import Shard
from ltm3d.shards.write import Reject, write_shard, write_tries
from ltm3d.transforms.jobs import ShardJob, ShardResult

MAX_TRIES = 3


def check_max_tries(value: int) -> None:
    """Refuse a setting that is no number of tries."""
    if value < 1:
        raise ConfigError(f"max_tries is {value}; give at least 1, which is never to try an asset again")


def uids_to_try_again(shard: Shard, max_tries: int) -> tuple[str, ...]:
    """List the rejected assets of a shard that another run may well mend, sorted."""
    tries = shard.tries
    return tuple(
        reject.uid
        for reject in sorted(shard.rejects, key=lambda reject: reject.uid)
        if reject.reason in UNSETTLED or (reject.uid in tries and tries[reject.uid] < max_tries)
    )


def count_reasons(again: Mapping[Shard, Sequence[str]]) -> tuple[int, str]:
    """Count the assets that are tried again, and say for people why: `failed 1, timeout 2`."""
    reasons = Counter(reject.reason for shard, uids in again.items() for reject in shard.rejects if reject.uid in uids)
    return reasons.total(), ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))


def commit_retried(
    shard: Shard, result: ShardResult, *, job: ShardJob, again: Sequence[str], fields: Sequence[Field]
) -> None:
    """Put what came of some assets of a shard in their places beside the others.

    Args:
        result: of the assets `again` alone.
        job: of the whole shard.
    """
    before = {reject.uid: reject for reject in shard.rejects}
    rejects = {uid: reject for uid, reject in before.items() if uid not in again}
    rejects |= {reject.uid: _same_or_new(before[reject.uid], reject) for reject in result.rejects}
    tries = {
        uid: shard.tries.get(uid, 0) + (uid in again)
        for uid, reject in rejects.items()
        if reject.reason.split(":")[0] in RETRIED
    }
    if not result.uids and rejects == before:
        write_tries(shard.folder, tries)
        return
    places: dict[str, tuple[Any, Sequence[Mapping[str, Any]], int]] = {
        uid: (shard, shard.records, place) for place, uid in enumerate(shard.uids)
    }
    places |= {uid: (result.arrays, result.records, place) for place, uid in enumerate(result.uids)}
    kept = [(uid, *places[uid]) for uid in job.uids if uid in places]
    write_shard(
        shard.folder,
        fields=fields,
        arrays={
            field.name: [np.asarray(arrays[field.name][place]) for _, arrays, _, place in kept] for field in fields
        },
        uids=[uid for uid, *_ in kept],
        records=[records[place] for *_, records, place in kept],
        rejects=list(rejects.values()),
        key=job.key,
        code=shard.code,
        provenance=shard.provenance,
        tries=tries,
    )


def _same_or_new(before: Reject, reject: Reject) -> Reject:
    """Keep the first row of an asset that was lost for a like reason again: for who reads the shard nothing changed."""
    both_passing = all(each.reason.split(":")[0] in RETRIED for each in (before, reject))
    return before if both_passing or before.reason == reject.reason else reject
