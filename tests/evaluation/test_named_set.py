"""A named set holds ids and a hash; what is not the same is refused in one line."""

import json
from pathlib import Path

import pytest

from ltm3d.errors import DataError
from ltm3d.evaluation.named_set import files_of, read_named_set, write_named_set


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "shapes").mkdir()
    paths = {uid: tmp_path / "shapes" / f"{uid}.glb" for uid in ("b", "a", "c")}
    for uid, path in paths.items():
        path.write_text(uid)
    return paths


def test_a_set_is_read_as_it_was_written_and_picks_its_files(files: dict[str, Path], tmp_path: Path) -> None:
    some = {uid: files[uid] for uid in ("b", "a")}
    made = write_named_set(tmp_path / "chairs.json", some)
    named = read_named_set(tmp_path / "chairs.json")
    assert named == made and (named.name, named.ids) == ("chairs", ("a", "b"))
    assert files_of(named, files) == some


def test_other_content_under_the_same_names_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    named = write_named_set(tmp_path / "chairs.json", files)
    files["a"].write_text("another a")
    with pytest.raises(DataError, match=r"are not those of test set chairs: sha256 .*, not .*; give the folder"):
        files_of(named, files)


def test_a_shape_that_is_not_there_is_named(files: dict[str, Path], tmp_path: Path) -> None:
    named = write_named_set(tmp_path / "chairs.json", files)
    with pytest.raises(DataError, match=r"chairs names 1 shapes that are not among the true ones, e\.g\. c"):
        files_of(named, {uid: files[uid] for uid in ("a", "b")})


@pytest.mark.parametrize("document", ["", "[]", {"name": "a"}, {"name": "a", "ids": [], "sha256": ""}, {"ids": [1]}])
def test_what_is_no_set_is_refused(document: object, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    with pytest.raises(DataError, match="is no test set"):
        read_named_set(path)
    with pytest.raises(DataError, match="is no test set"):
        read_named_set(tmp_path / "absent.json")
