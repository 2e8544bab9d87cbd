import hashlib
import json
import os

import numpy as np
import pytest
from shard_folders import FIELDS, example_arrays, write_example

from ltm3d.shards import write
from ltm3d.shards.read import committed_shard, read_shard
from ltm3d.shards.write import Reject, remove_leftovers, write_shard


def test_same_content_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_example(tmp_path / name / "shard-00000")
    files = [{p.name: p.read_bytes() for p in (tmp_path / n / "shard-00000").iterdir()} for n in ("a", "b")]
    assert files[0] == files[1]
    assert set(files[0]) == {"shard.json", "points.npy", "points.offsets.npy", "image.npy", "score.npy"}


def test_manifest_names_the_hash_of_every_file(tmp_path):
    folder = tmp_path / "shard-00000"
    write_example(folder)
    manifest = json.loads((folder / "shard.json").read_text())
    hashes = {name: file["sha256"] for entry in manifest["fields"].values() for name, file in entry["files"].items()}
    assert hashes == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.suffix == ".npy"
    }
    assert [reject["uid"] for reject in manifest["rejects"]] == ["u-b", "u-z"]


@pytest.mark.parametrize(
    ("field", "array"),
    [
        ("points", np.zeros((2, 3))),
        ("points", np.zeros((2, 4), np.float32)),
        ("points", np.zeros(6, np.float32)),
        ("image", np.zeros((6, 6, 4), np.uint8)),
        ("image", np.zeros((5, 6, 4), np.uint8)),
        ("score", np.zeros(1)),
    ],
)
def test_an_array_against_the_schema_is_refused_and_nothing_is_written(tmp_path, field, array):
    arrays = example_arrays()
    arrays[field][2] = array
    with pytest.raises(ValueError, match=f"'{field}' of u2"):
        write_shard(
            tmp_path / "shard-00000",
            fields=FIELDS,
            arrays=arrays,
            uids=["u0", "u1", "u2"],
            records=[{}] * 3,
            rejects=[],
            key="k",
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("uids", "records", "rejects"),
    [
        (["u0", "u1", "u1"], [{}] * 3, []),
        (["u0", "u1", "u2"], [{}] * 3, [Reject(uid="u1", reason="timeout")]),
        (["u0", "u1", "u2"], [{}] * 2, []),
        (["u0", "u1"], [{}] * 2, []),
    ],
)
def test_assets_that_do_not_add_up_are_refused(tmp_path, uids, records, rejects):
    with pytest.raises(ValueError):
        write_shard(
            tmp_path / "shard-00000",
            fields=FIELDS,
            arrays=example_arrays(),
            uids=uids,
            records=records,
            rejects=rejects,
            key="k",
        )


def test_a_failed_write_leaves_the_old_shard_whole(tmp_path, monkeypatch):
    folder = tmp_path / "shard-00000"
    write_example(folder, key="old")

    def no_space(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write.os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        write_example(folder, key="new")
    assert committed_shard(folder, "old") is not None
    assert [path.name for path in tmp_path.iterdir()] == ["shard-00000"]


def test_another_try_changes_neither_the_shard_nor_its_digest(tmp_path):
    folder = tmp_path / "shard-00000"
    write_example(folder, key="k")
    before, content = read_shard(folder).digest, (folder / "shard.json").read_bytes()
    write.write_tries(folder, {"u-z": 2, "u-b": 1})
    shard = read_shard(folder)
    assert shard.tries == {"u-z": 2, "u-b": 1}
    assert shard.digest == before and (folder / "shard.json").read_bytes() == content
    write_example(folder, key="k")
    assert read_shard(folder).tries == {"u-z": 1, "u-b": 1}, "a shard that is made over counts anew"


def test_a_new_key_replaces_a_shard_and_its_old_files(tmp_path):
    folder = tmp_path / "shard-00000"
    write_example(folder, key="old")
    (folder / "extra.npy").write_bytes(b"")
    write_example(folder, key="new", num_assets=1)
    assert committed_shard(folder, "new") is not None and committed_shard(folder, "old") is None
    assert not (folder / "extra.npy").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["shard-00000"]


@pytest.mark.parametrize("damage", ["truncate", "remove", "garble", "none"])
def test_a_damaged_shard_is_not_committed(tmp_path, damage):
    folder = tmp_path / "shard-00000"
    write_example(folder)
    if damage == "truncate":
        os.truncate(folder / "image.npy", 100)
    elif damage == "remove":
        (folder / "points.offsets.npy").unlink()
    elif damage == "garble":
        (folder / "shard.json").write_text("{")
    assert (committed_shard(folder, "k") is not None) == (damage == "none")


def test_leftovers_are_removed_and_a_users_files_are_not(tmp_path):
    for name in ("shard-00000", "shard-00001", "shard-mine", "notes", ".shard-00001.0123456789ab"):
        (tmp_path / name).mkdir()
    (tmp_path / "shard-00002").symlink_to(tmp_path / "notes")
    assert remove_leftovers(tmp_path, keep=["shard-00000"]) == ["shard-00001"]
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"shard-00000", "shard-mine", "notes", "shard-00002"}


def test_a_reason_must_be_known():
    with pytest.raises(ValueError, match="no known reason"):
        Reject(uid="a", reason="bad_luck")
    assert Reject(uid="a", reason="crash:SIGABRT").reason == "crash:SIGABRT"
