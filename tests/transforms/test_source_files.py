"""A source's edited, added and removed files are seen, and those that only have another time are not."""

import os
from pathlib import Path

import pytest

from ltm3d.transforms.source_files import Fetched, look_again, look_at, read_fetched, write_fetched

LONG_AGO_NS = 1_600_000_000_000_000_000


def old(path: Path, text: str, *, later: int = 0) -> Path:
    """Write a file with a time of long ago."""
    path.write_text(text)
    os.utime(path, ns=(LONG_AGO_NS + later, LONG_AGO_NS + later))
    return path


def fetched(*paths: Path) -> Fetched:
    return Fetched(content_hash="c", files=look_at(paths))


def test_files_that_are_as_they_were_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fetched(old(tmp_path / "a.obj", "a"), tmp_path / "absent.mtl")
    monkeypatch.setattr("hashlib.file_digest", None)  # nothing may be hashed
    assert look_again(before) == before


def test_another_time_alone_is_no_change_and_is_noted(tmp_path: Path) -> None:
    before = fetched(old(tmp_path / "a.obj", "a"))
    old(tmp_path / "a.obj", "a", later=1)
    now = look_again(before)
    assert now is not None and now != before and look_again(now) == now


@pytest.mark.parametrize("change", ["edited", "removed", "came"])
def test_a_change_is_seen(tmp_path: Path, change: str) -> None:
    paths = (old(tmp_path / "a.obj", "a"), tmp_path / "b.mtl")
    before = fetched(*paths)
    if change == "edited":
        old(paths[0], "b", later=1)  # of the same size
    elif change == "removed":
        paths[0].unlink()
    else:
        old(paths[1], "b")
    assert look_again(before) is None


def test_a_file_that_changes_within_one_tick_of_its_time_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.obj"
    path.write_text("a")
    time_ns = path.stat().st_mtime_ns
    before = fetched(path)
    path.write_text("b")
    os.utime(path, ns=(time_ns, time_ns))
    assert look_again(before) is None


def test_a_file_that_comes_into_a_folder_is_seen(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    before = fetched(tmp_path / "images")
    assert look_again(before) is not None
    (tmp_path / "images" / "new.png").write_text("n")
    assert look_again(before) is None


def test_what_is_known_is_read_as_it_was_written(tmp_path: Path) -> None:
    known = {"u1": fetched(old(tmp_path / "a.obj", "a"), tmp_path / "absent"), "u0": Fetched(content_hash="", files=())}
    write_fetched(tmp_path / "s.json", known)
    assert read_fetched(tmp_path / "s.json") == known


@pytest.mark.parametrize("content", [None, "", "[]", '{"u": {}}', '{"u": {"content_hash": "", "files": [1]}}'])
def test_a_damaged_file_says_nothing(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "s.json").write_text(content)
    assert read_fetched(tmp_path / "s.json") == {}
