"""Records of changes that leave results as they were."""

from pathlib import Path

import pytest

from ltm3d.errors import ConfigError
from ltm3d.freshness.records import SameResults, oldest_digest, read_records, same_digests, write_records


def record(was: str, now: str, stage: str = "render_views") -> SameResults:
    return SameResults(stage=stage, was=was, now=now, changed="ltm3d/a.py", why="names: and 'quotes', ä")


def test_records_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "code_same.yaml"
    assert read_records(path) == ()
    records = (record("1" * 64, "2" * 64), record("0123", "9e5"))  # digests that YAML could take for numbers
    write_records(path, records)
    assert read_records(path) == records and path.read_text().startswith("#")


@pytest.mark.parametrize("text", ["- [1]\n", "a: [", "- {stage: a}\n", "<<<<<<< HEAD\n- {}\n"])
def test_a_file_that_a_merge_broke_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "code_same.yaml").write_text(text)
    with pytest.raises(ConfigError, match="mend it"):
        read_records(tmp_path / "code_same.yaml")


def test_digests_are_linked_over_several_steps_and_both_ways() -> None:
    records = [record("a", "b"), record("b", "c"), record("x", "y")]
    for digest in "abc":
        assert same_digests(digest, records) == {"a", "b", "c"}
        assert oldest_digest(digest, records) == "a"
    assert same_digests("z", records) == {"z"} and oldest_digest("z", records) == "z"


def test_a_circle_of_records_ends() -> None:
    records = [record("a", "b"), record("b", "a")]
    assert same_digests("a", records) == {"a", "b"} and oldest_digest("a", records) in ("a", "b")
