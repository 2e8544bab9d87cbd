import dataclasses
import json

import numpy as np
import pytest
from mesh_files import record

from ltm3d.errors import DataError
from ltm3d.schema import MESHES
from ltm3d.shards.index import read_index
from ltm3d.shards.ledger import ledger_of, read_ledger
from ltm3d.shards.read import list_shards
from ltm3d.shards.write import write_shard
from ltm3d.transforms.splits import find_duplicates, index_meshes, split_of

FACTS = {"num_faces": 12, "is_watertight": True, "scale": 0.5, "offset": (0.0, 0.0, 0.0)}


def write(folder, uids, *, marks=None, splits=None):
    """Write one shard an asset; marks: uid → (content hash, signature)."""
    for number, uid in enumerate(uids):
        content_hash, signature = (marks or {}).get(uid, (uid, uid))
        facts = FACTS | {"content_hash": content_hash, "signature": signature, "split": (splits or {}).get(uid, "")}
        empty = [np.zeros((0, *field.shape[1:]), field.dtype) for field in MESHES]
        write_shard(
            folder / f"shard-{number:05d}",
            fields=MESHES,
            arrays={field.name: [array] for field, array in zip(MESHES, empty, strict=True)},
            uids=[uid],
            records=[dataclasses.asdict(record(uid)) | facts],
            rejects=[],
            key="k",
        )


def index(folder, ids="ids.txt"):
    ledger = ledger_of("clean_meshes", list_shards(folder))
    return index_meshes(folder, ledger, val_fraction=0.1, test_fraction=0.1, test_ids=folder.parent / ids), ledger


def test_duplicates_are_linked_across_marks_and_the_first_uid_is_kept():
    assets = [("d", ("h1", "s9")), ("b", ("h1", "s2")), ("c", ("h3", "s9")), ("a", ("h4", "s4")), ("e", ("s4", "h4"))]
    assert find_duplicates(assets) == {"c": "b", "d": "b"}
    assert find_duplicates(assets[::-1]) == {"c": "b", "d": "b"}
    assert find_duplicates([]) == {}


def test_duplicates_are_those_of_a_plain_search():
    rng = np.random.default_rng(0)
    assets = [(f"u{i:03d}", (f"h{rng.integers(200)}", f"s{rng.integers(200)}")) for i in range(150)]
    groups = [{uid} for uid, _ in assets]
    for one, marks in assets:
        for other, others in assets:
            if any(a == b for a, b in zip(marks, others, strict=True)):
                joined = set().union(*(group for group in groups if one in group or other in group))
                groups = [group for group in groups if not group & joined] + [joined]
    expected = {uid: min(group) for group in groups for uid in group if uid != min(group)}
    assert expected and find_duplicates(rng.permutation(np.array(assets, dtype=object)).tolist()) == expected


def test_split_is_official_or_a_hash_of_the_uid():
    def draw(uid, official=""):
        return split_of(uid, official, val_fraction=0.1, test_fraction=0.2)

    assert draw("a", "val") == "val"
    splits = [draw(f"u{i}") for i in range(4000)]
    assert splits == [draw(f"u{i}") for i in range(4000)]
    assert splits.count("test") / 4000 == pytest.approx(0.2, abs=0.03)
    assert splits.count("val") / 4000 == pytest.approx(0.1, abs=0.03)


def test_index_holds_kept_assets_only_and_the_ledger_says_why(tmp_path):
    folder = tmp_path / "meshes"
    uids = [f"u{i:03d}" for i in range(60)]
    write(folder, uids, marks={"u005": ("u001", "other"), "u059": ("x", "other")})
    entries, ledger = index(folder)
    assert read_index(folder) == entries
    assert [entry.uid for entry in entries] == [uid for uid in uids if uid not in ("u005", "u059")]
    assert entries[7].shard == "shard-00008"
    assert read_ledger(folder) == ledger
    assert {uid: reject.detail for uid, reject in ledger.rejects.items()} == {"u005": "of u001", "u059": "of u001"}
    test = [entry.uid for entry in entries if entry.split == "test"]
    assert (tmp_path / "ids.txt").read_text().split() == test
    assert json.loads((folder / "index.json").read_text())["assets"][0]["offset"] == [0, 0, 0]


def test_official_splits_are_kept(tmp_path):
    folder = tmp_path / "meshes"
    write(folder, ["a", "b", "c"], splits={"a": "test", "b": "val", "c": "train"})
    entries, _ = index(folder)
    assert [entry.split for entry in entries] == ["test", "val", "train"]


@pytest.mark.parametrize(("count", "expected"), [(1, "train"), (2, "test train"), (3, "test train val"), (7, None)])
def test_small_sets_have_every_split_that_they_can(tmp_path, caplog, count, expected):
    uids = [f"u{i}" for i in range(count)]
    write(tmp_path / "few", uids)
    entries, _ = index(tmp_path / "few")
    splits = {entry.uid: entry.split for entry in entries}
    assert sorted(set(splits.values())) == (expected.split() if expected else ["test", "train", "val"])
    assert ("no asset is left for the split val" in caplog.text) == (count < 3)
    again, _ = index(tmp_path / "few")
    assert again == entries


def test_an_unknown_split_or_an_empty_set_is_one_clear_error(tmp_path):
    write(tmp_path / "odd", ["a", "b"], splits={"a": "test", "b": "validation"})
    with pytest.raises(DataError, match="'validation'; a split is one of train, val, test"):
        index(tmp_path / "odd")
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="data set is empty"):
        index(tmp_path / "none")
