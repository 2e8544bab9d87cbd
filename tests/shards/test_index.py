import dataclasses
import json

import pytest

from ltm3d.errors import DataError
from ltm3d.shards.index import IndexEntry, iter_index, read_index, uids_of_split, write_index

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
    assert next(iter_index(tmp_path)) == entries[1]


def test_it_is_json_with_one_asset_a_line_and_equal_words_are_held_once(tmp_path):
    write_index(tmp_path, [ENTRY, dataclasses.replace(ENTRY, uid="a", caption="one\nand\u2028two")])
    text = (tmp_path / "index.json").read_text()
    assert [row["uid"] for row in json.loads(text)["assets"]] == ["a", "b"]
    assert text.count("\n") == 4
    first, second = read_index(tmp_path)
    assert first.caption == "one\nand\u2028two"
    assert first.category is second.category and first.shard is second.shard


def test_another_layout_is_read_and_a_file_cut_short_is_refused(tmp_path):
    path = tmp_path / "index.json"
    write_index(tmp_path, [ENTRY])
    whole = path.read_text()
    path.write_text(json.dumps(json.loads(whole), indent=1))
    assert read_index(tmp_path) == [ENTRY]
    for length in (len(whole) - 3, len(whole) - 10):
        path.write_text(whole[:length])
        with pytest.raises(DataError, match="cannot be read"):
            read_index(tmp_path)


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
