import dataclasses

import pytest

from ltm3d.errors import DataError
from ltm3d.shards.index import IndexEntry, read_index, uids_of_split, write_index

ENTRY = IndexEntry(
    uid="b",
    shard="shard-00000",
    split="train",
    category="chair",
    caption="A 3D model of a chair, Chair.",
    source="folder",
    licence="CC0-1.0",
    name="stuhl",
    num_faces=12,
    is_watertight=True,
    scale=0.5,
    offset=(0.0, 1.0, 0.25),
    attributes={"num_legs": 4},
)


def test_entries_come_back_sorted(tmp_path):
    entries = [ENTRY, dataclasses.replace(ENTRY, uid="a", split="test")]
    write_index(tmp_path, entries)
    assert read_index(tmp_path) == [entries[1], entries[0]]
    assert uids_of_split(entries, "test") == ["a"]


def test_missing_or_empty_is_one_clear_line(tmp_path):
    with pytest.raises(DataError, match="run clean_meshes"):
        read_index(tmp_path)
    write_index(tmp_path, [])
    with pytest.raises(DataError, match="names no asset"):
        read_index(tmp_path)
    with pytest.raises(DataError, match="'val' has no asset"):
        uids_of_split([ENTRY], "val")
    with pytest.raises(ValueError, match="no split"):
        uids_of_split([ENTRY], "validation")
