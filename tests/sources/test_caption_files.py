"""The form of a caption, and caption files."""

import json
from pathlib import Path

import pytest

from ltm3d.errors import SourceError
from ltm3d.sources.caption_files import make_caption, read_captions, words_of


@pytest.mark.parametrize(
    ("phrase", "category", "expected"),
    [
        ("rowing boat", "rowboat", "A 3D model of rowing boat, Rowboat."),
        ("A wooden chair with four legs.", "chair", "A 3D model of a wooden chair with four legs, Chair."),
        ("a dresser with drawers (cabinet)", "cabinet", "A 3D model of a dresser with drawers, Cabinet."),
        ("A 3D model of a red sofa, Sofa.", "sofa", "A 3D model of a red sofa, Sofa."),
        ("", "airplane", "A 3D model of an airplane, Airplane."),
        ("a T-rex", "", "A 3D model of a T-rex."),
        ("", "", "A 3D model of an object."),
        ("two\n  lines", "cat  tree", "A 3D model of two lines, Cat tree."),
    ],
)
def test_form(phrase: str, category: str, expected: str) -> None:
    assert make_caption(phrase, category) == expected


def test_names_as_words() -> None:
    assert words_of("barStool_02") == "bar stool" and words_of("DJ-set") == "dj set" and words_of("42") == "42"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.json", '{"a": "A chair", "b": "Lamp, small"}'),
        ("c.json", '[{"uid": "a", "caption": "A chair"}, {"uid": "b", "caption": "Lamp, small"}]'),
        ("c.csv", 'a,A chair\nb,"Lamp, small"\n'),
        ("c.csv", 'other,Caption,ID\nx,A chair,a\ny,"Lamp, small",b\n'),
        ("c.csv", '\ufeffid,caption\r\na,A chair\r\nb,"Lamp, small"\r\n'),
    ],
)
def test_files(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    assert read_captions(tmp_path / name) == {"a": "A chair", "b": "Lamp, small"}


def test_a_quoted_caption_may_hold_a_line_break(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text('a,"two\nlines"\n')
    assert read_captions(tmp_path / "c.csv") == {"a": "two lines"}


@pytest.mark.parametrize(
    ("name", "text"), [("c.json", "{"), ("c.json", "[1]"), ("c.json", '{"a": 3}'), ("c.csv", "only one column\n")]
)
def test_broken_files(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=r"is no captions file|no entry with an id and a text"):
        read_captions(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.json", json.dumps({"a": "A chair", "b": None, "c": 3, "d": "x" * 200_000, "e": {"text": "?"}, "f": ""})),
        ("c.json", json.dumps([{"uid": "a", "caption": "A chair"}, 7, {"uid": "b"}, {"caption": "no id"}])),
        ("c.csv", f"a,A\tchair\nb\nc,{'x' * 200_000}\n,no id\nd,\n"),
        ("c.csv", "a,A\x07 chair\x01\n\nb\n"),
    ],
)
def test_rows_that_cannot_be_used_are_told_in_one_line_and_stop_no_other(
    tmp_path, caplog, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    assert read_captions(tmp_path / name) == {"a": "A chair"}
    assert len(caplog.records) == 1 and "have no id, no text or more than 4000 characters" in caplog.text


def test_a_captions_file_nested_too_deep_is_told(tmp_path) -> None:
    (tmp_path / "c.json").write_text("[" * 100_000)
    with pytest.raises(SourceError, match="is no captions file"):
        read_captions(tmp_path / "c.json")


def test_absent_files(tmp_path: Path) -> None:
    assert read_captions(None) == {}
    with pytest.raises(SourceError, match="there is no captions file"):
        read_captions(tmp_path / "absent.csv")


def test_real_captions(shared_data: Path) -> None:
    assert len(read_captions(shared_data / "captions.json")) == 1250
