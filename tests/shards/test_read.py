import pickle

import numpy as np
import pytest
from shard_folders import FIELDS, example_arrays, write_example

from ltm3d.errors import DataError
from ltm3d.schema import Field
from ltm3d.shards import read
from ltm3d.shards.read import ShardSet, iter_shards, list_shards, read_shard
from ltm3d.shards.write import write_shard


@pytest.fixture
def root(tmp_path):
    write_example(tmp_path / "shard-00002", seed=2, prefix="b")
    write_example(tmp_path / "shard-00000", seed=1, prefix="a")
    (tmp_path / ".shard-00001.tmp").mkdir()
    (tmp_path / "shard-notes").mkdir()
    return tmp_path


def test_everything_comes_back(root):
    shard = read_shard(root / "shard-00000")
    expected = example_arrays(seed=1)
    for name, arrays in expected.items():
        assert len(shard[name]) == len(shard) == 3
        for index, array in enumerate(arrays):
            np.testing.assert_array_equal(shard[name][index], array)
            assert shard[name][index].dtype == array.dtype
    assert shard.uids == ["a0", "a1", "a2"]
    assert shard.records[1] == {"number": 1, "name": "née 1"}
    assert [(reject.uid, reject.reason) for reject in shard.rejects] == [("a-b", "crash:SIGSEGV"), ("a-z", "timeout")]
    assert shard.key == "k"


def test_fields_are_memory_maps_and_cannot_be_written(root):
    shard = read_shard(root / "shard-00000")
    assert isinstance(shard["image"], np.memmap)
    assert isinstance(shard["points"][2].base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        shard["points"][2][0] = 0


def test_ragged_is_a_sequence(root):
    points = read_shard(root / "shard-00000")["points"]
    assert [len(item) for item in points] == [0, 2, 4]
    np.testing.assert_array_equal(points[-1], points[2])
    assert [len(item) for item in points[1:]] == [2, 4]
    with pytest.raises(IndexError):
        points[3]


def test_shards_are_sorted_and_leftovers_are_no_shards(root):
    assert [shard.name for shard in list_shards(root)] == ["shard-00000", "shard-00002"]
    assert list_shards(root / "absent") == []


def test_a_list_of_shards_holds_no_records_but_gives_them(root):
    shard = list_shards(root)[0]
    assert shard._records is None
    assert shard.records == read_shard(root / "shard-00000").records
    assert [shard.name for shard in iter_shards(root)] == ["shard-00000", "shard-00002"]


def test_digest_follows_content(root):
    digest = read_shard(root / "shard-00000").digest
    write_example(root / "shard-00000", seed=1, prefix="a")
    assert read_shard(root / "shard-00000").digest == digest
    write_example(root / "shard-00000", seed=3, prefix="a")
    assert read_shard(root / "shard-00000").digest != digest


def test_a_set_keeps_the_callers_order(root):
    shards = ShardSet(root, ["b2", "a1"])
    assert len(shards) == 2
    np.testing.assert_array_equal(shards.get("points", 0), example_arrays(seed=2)["points"][2])
    np.testing.assert_array_equal(shards.get("image", 1), example_arrays(seed=1)["image"][1])
    assert shards.record(0)["number"] == 2
    assert ShardSet(root).uids == ["a0", "a1", "a2", "b0", "b1", "b2"]


def test_a_set_holds_few_memory_maps_open(tmp_path, monkeypatch):
    monkeypatch.setattr(read, "MAX_OPEN_SHARDS", 2)
    for number in range(4):
        write_example(tmp_path / f"shard-0000{number}", seed=number, prefix=f"s{number}-")
    shards = ShardSet(tmp_path, [f"s{number}-2" for number in (0, 1, 2, 3, 0, 2)])
    views = [shards.get("points", index) for index in range(len(shards))]
    for number, view in zip((0, 1, 2, 3, 0, 2), views, strict=True):
        np.testing.assert_array_equal(view, example_arrays(seed=number)["points"][2])
    assert [bool(shard._opened) for shard in shards.shards] == [True, False, True, False]


def test_missing_things_are_one_clear_line(root, tmp_path):
    with pytest.raises(DataError, match=r"lacks 1 of 2 assets \(c0"):
        ShardSet(root, ["a0", "c0"])
    with pytest.raises(DataError, match="no shards"):
        ShardSet(tmp_path / "absent")
    with pytest.raises(DataError, match="not a whole shard"):
        read_shard(root / "shard-00007")
    with pytest.raises(DataError, match="no field 'colour', only image, points, score"):
        read_shard(root / "shard-00000")["colour"]


def test_a_damaged_file_is_one_clear_line(root):
    path = root / "shard-00000" / "image.npy"
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(DataError, match="cannot be read"):
        read_shard(root / "shard-00000")["image"]


def test_a_shard_travels_as_its_path(root):
    shard = read_shard(root / "shard-00000")
    assert shard["image"].nbytes > 0
    data = pickle.dumps(shard)
    assert len(data) < 500
    np.testing.assert_array_equal(pickle.loads(data)["image"], shard["image"])


def test_a_shard_without_assets_can_be_read(tmp_path):
    folder = tmp_path / "shard-00000"
    empty = {field.name: [] for field in FIELDS}
    write_shard(folder, fields=FIELDS, arrays=empty, uids=[], records=[], rejects=[], key="k")
    shard = read_shard(folder)
    assert len(shard["points"]) == len(shard["image"]) == len(shard["score"]) == 0


def test_slices_are_the_same_without_read_ahead(tmp_path):
    values = np.arange(60_000, dtype=np.float32).reshape(2, -1)
    field = Field(name="value", dtype="float32", shape=("N",), unit="")
    write_shard(
        tmp_path / "shard-00000", fields=[field], arrays={"value": list(values)}, uids=["a", "b"], records=[{}, {}],
        rejects=[], key="k",
    )  # fmt: skip
    shards = ShardSet(tmp_path, ["b"]).expect_slices()
    np.testing.assert_array_equal(shards.get("value", 0)[100:200], values[1, 100:200])
    assert all(shard.reads_slices for shard in shards.shards)
