"""What is tried again of a real shard, and how it joins the rest; whole stages are in test_mapping.py."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from shard_folders import FIELDS, example_arrays, write_example

from ltm3d.errors import ConfigError
from ltm3d.shards.read import Shard, read_shard
from ltm3d.shards.write import Reject, write_shard
from ltm3d.transforms.jobs import ShardJob, ShardResult
from ltm3d.transforms.retries import check_max_tries, commit_retried, count_reasons, uids_to_try_again

UIDS = ("u0", "u1", "u2", "u3")
JOB = ShardJob(name="shard-00000", uids=UIDS, inputs=(), key="k")
REJECTS = [
    Reject(uid="a", reason="failed"),
    Reject(uid="b", reason="crash:SIGSEGV"),
    Reject(uid="c", reason="parse_error"),
    Reject(uid="d", reason="timeout"),
]


def write_some(
    folder: Path, uids: tuple[str, ...], rejects: list[Reject], tries: dict[str, int] | None = None
) -> Shard:
    result = result_of(uids)
    write_shard(
        folder,
        fields=FIELDS,
        arrays=result.arrays,
        uids=uids,
        records=result.records,
        rejects=rejects,
        key="k",
        tries=tries,
    )
    return read_shard(folder)


def result_of(uids: tuple[str, ...]) -> ShardResult:
    arrays = example_arrays(len(UIDS))
    places = [UIDS.index(uid) for uid in uids]
    return ShardResult(
        uids=uids,
        arrays={name: [np.asarray(column[place]) for place in places] for name, column in arrays.items()},
        records=[{"number": place} for place in places],
    )


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_tried_again(tmp_path: Path) -> None:
    shard = write_some(tmp_path / JOB.name, ("u0",), REJECTS, tries={"b": 3, "d": 2})
    assert uids_to_try_again(shard, 3) == ("a", "d")
    assert uids_to_try_again(shard, 4) == ("a", "b", "d")
    assert uids_to_try_again(shard, 1) == ("a",)
    assert count_reasons({shard: ("a", "d")}) == (2, "failed 1, timeout 1")


@pytest.mark.parametrize("lost", [("u0",), ("u1", "u3"), UIDS])
def test_the_assets_join_the_others_in_their_places_to_the_byte(tmp_path: Path, lost: tuple[str, ...]) -> None:
    whole = write_some(tmp_path / "calm" / JOB.name, UIDS, [])
    kept = tuple(uid for uid in UIDS if uid not in lost)
    rejects = [Reject(uid=uid, reason="timeout", detail="busy") for uid in lost]
    shard = write_some(tmp_path / "busy" / JOB.name, kept, rejects)
    commit_retried(shard, result_of(lost), job=JOB, again=lost, fields=FIELDS)
    assert files_of(shard.folder) == files_of(whole.folder)


def test_a_new_reason_that_settles_an_asset_is_written_and_a_like_one_is_not(tmp_path: Path) -> None:
    rejects = [Reject(uid="u1", reason="fetch_error"), Reject(uid="u2", reason="timeout", detail="1 s")]
    shard = write_some(tmp_path / JOB.name, ("u0", "u3"), rejects)
    result = result_of(())
    lost = [Reject(uid="u1", reason="parse_error"), Reject(uid="u2", reason="out_of_memory")]
    commit_retried(shard, replace(result, rejects=lost), job=JOB, again=("u1", "u2"), fields=FIELDS)
    found = read_shard(shard.folder)
    assert found.rejects == [lost[0], rejects[1]]
    assert found.tries == {"u2": 2} and found.uids == ["u0", "u3"]
    commit_retried(found, replace(result, rejects=lost[1:]), job=JOB, again=("u2",), fields=FIELDS)
    again = read_shard(shard.folder)
    assert again.digest == found.digest and again.tries == {"u2": 3}


def test_an_asset_that_is_no_longer_there_leaves_the_shard(tmp_path: Path) -> None:
    shard = write_some(tmp_path / JOB.name, ("u0",), [Reject(uid="u1", reason="timeout")])
    commit_retried(shard, result_of(()), job=JOB, again=("u1",), fields=FIELDS)
    assert read_shard(shard.folder).rejects == []


def test_a_damaged_count_is_a_first_try(tmp_path: Path) -> None:
    write_example(tmp_path / JOB.name)
    (tmp_path / JOB.name / "tries.json").write_text("{")
    assert read_shard(tmp_path / JOB.name).tries == {"u-z": 1, "u-b": 1}


def test_a_number_of_tries_is_positive() -> None:
    with pytest.raises(ConfigError, match="max_tries is 0; give at least 1"):
        check_max_tries(0)
