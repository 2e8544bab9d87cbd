"""The list of a source's files changes with any of them."""

import os
from pathlib import Path

import pytest

from ltm3d.sources.folder import FolderSource
from ltm3d.sources.listing import listing_digest
from ltm3d.sources.objaverse import ObjaverseSource
from ltm3d.sources.procedural import ProceduralSource
from ltm3d.sources.shapenet import ShapenetSource


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("chairs/a.glb", "b.obj", "b.mtl", ".hidden/c.glb"):
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_text(name)
    return tmp_path / "root"


def test_the_same_files_give_the_same_digest(folder: Path) -> None:
    before = listing_digest([folder])
    (folder / ".hidden" / "d.glb").write_text("d")
    assert listing_digest([folder]) == before != listing_digest([folder / "chairs"])


@pytest.mark.parametrize("change", ["added", "removed", "edited", "touched"])
def test_any_change_gives_another_digest(folder: Path, change: str) -> None:
    before = listing_digest([folder])
    if change == "added":
        (folder / "chairs" / "new.png").write_text("n")
    elif change == "removed":
        (folder / "b.mtl").unlink()
    elif change == "edited":
        (folder / "b.mtl").write_text("B.mtl")
    else:
        os.utime(folder / "b.mtl", ns=(1, 1))
    assert listing_digest([folder]) != before


def test_a_linked_folder_is_entered_once_and_a_circle_ends(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.glb").write_text("x")
    (folder / "link").symlink_to(tmp_path / "other")
    (folder / "circle").symlink_to(folder)
    before = listing_digest([folder])
    (tmp_path / "other" / "x.glb").write_text("other")
    assert listing_digest([folder]) != before


def test_a_name_that_is_no_text_and_a_root_that_is_not_there(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/\xff.glb", "w") as file:
        file.write("x")
    assert listing_digest([tmp_path]) != listing_digest([tmp_path / "absent"])


def test_what_each_source_reads() -> None:
    assert FolderSource(root="r", captions="c.csv").inputs() == [Path("r"), Path("c.csv")]
    assert ShapenetSource(root="r", split_file="s.csv").inputs() == [Path("r"), Path("s.csv")]
    assert ObjaverseSource(root="r").inputs() == [Path("r")]
    assert ObjaverseSource(root="r", download=True, captions="c.csv").inputs() == [Path("c.csv")]
    assert ProceduralSource(num_objects=1, seed=0).inputs() == []
