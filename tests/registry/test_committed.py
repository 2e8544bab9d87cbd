"""The code of a model's stages against the files of commits, in small repositories of git."""

from pathlib import Path
from typing import Any

import pytest
from small_code import LABEL, LOSS, LOSS_FILE, SmallCode

from ltm3d.freshness.records import RECORDS_FILE, SameResults, write_records
from ltm3d.registry.committed import Committed, find_committed


@pytest.fixture
def code(tmp_path: Path) -> SmallCode:
    return SmallCode(tmp_path / "checkout")


def look(code: SmallCode, records: list[dict[str, Any]], *commits: str) -> Committed:
    return find_committed({LABEL: records}, commits, repository=code.folder)


def test_a_clean_training_is_found_in_its_commit_and_in_later_ones_that_compute_the_same(code: SmallCode) -> None:
    first = code.head
    record = code.made()
    assert look(code, [record], first).failure is None
    (code.folder / LOSS_FILE).write_text('"""Documented now."""\n' + LOSS.format(factor=1) + "# and explained\n")
    later = code.commit()
    found = look(code, [record], later)
    assert (found.failure, found.records) == (None, ()) and found.note == f"commit {later[:12]} has it"
    code.change(factor=2)
    other = code.commit()
    assert "has other code of train@sdf (made at" in str(look(code, [record], other).failure)
    assert look(code, [record], other, first).commit == first, "the next one is looked at"


def test_a_dirty_training_is_refused_after_the_revert_and_taken_after_its_commit(code: SmallCode) -> None:
    clean = code.head
    code.change(factor=100)
    record = code.made()
    assert record["git_commit"] == clean and record["git_dirty"] == "true"
    code.revert()
    found = look(code, [record], clean, code.head)
    assert "train@sdf (made at" in found.note and "with changes that no commit has" in found.note
    assert "commit the code that made it, or run `dvc repro`" in found.note
    code.change(factor=100)
    later = code.commit()
    assert look(code, [record], clean, later).commit == later


def test_records_count_where_the_commit_has_them_and_are_named(code: SmallCode) -> None:
    record = code.made()
    (code.folder / LOSS_FILE).write_text("def loss(value):\n    return 1 * value\n")
    now = code.made()["code"]
    without = code.commit()
    same = SameResults(stage="train@sdf", was=record["code"], now=now, changed="ltm3d/loss.py", why="a new name")
    write_records(code.folder / RECORDS_FILE, [same])
    assert look(code, [record], without).failure is not None, "a record beside the commit is none in it"
    with_record = code.commit()
    found = look(code, [record], with_record)
    assert found.failure is None and found.records == (same,)
    assert "relied on: train@sdf by the record `a new name` (ltm3d/loss.py)" in found.note


def test_each_part_of_a_stage_must_be_of_the_commit(code: SmallCode) -> None:
    """Shards that were reused keep what they were made of."""
    first = code.head
    good = code.made()
    assert look(code, [good, {**good, "code": "0" * 64}], first).failure is not None
    assert look(code, [{**good, "libraries": {"numpy": "0.1"}}], first).failure is not None, "libraries count"
    assert look(code, [{**good, "libraries": {}}], first).failure is not None


def test_what_cannot_be_looked_at_is_refused_with_a_reason(code: SmallCode, tmp_path: Path) -> None:
    first = code.head
    record = code.made()
    assert "is not in" in look(code, [record], "0" * 40).note
    elsewhere = find_committed({LABEL: [record]}, [first], repository=tmp_path)
    assert elsewhere.failure is not None and "git fetch" in elsewhere.failure
    assert "unknown is no commit" in look(code, [record], "unknown").note
    assert "names no commit" in look(code, [record]).note
    assert "does not say" in find_committed({}, [first], repository=code.folder).note
    gone = find_committed({"removed": [record]}, [first], repository=code.folder)
    assert "removed, a stage that it does not have" in gone.note
