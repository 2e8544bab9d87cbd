"""`ltm3d export` of shards that the library itself writes, and what it says of those it cannot."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import trimesh
from index_entries import entry_of
from PIL import Image
from shapes import box

from ltm3d import schema
from ltm3d.cli import app
from ltm3d.shards.index import write_index
from ltm3d.shards.meshes import mesh_arrays
from ltm3d.shards.write import write_shard

UIDS = ("a-train", "b-test", "c-test")
VIEWS = (schema.Field(name="images", dtype="uint8", shape=("V", "H", "W", 4), unit="sRGB"),)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Boxes 0.5, 1 and 1.5 high, two views each: black, and as bright as the box is high."""
    meshes = [box((1.0, height, 1.0)) for height in (0.5, 1.0, 1.5)]
    bright = [np.full((2, 8, 8, 4), 80 * (index + 1), np.uint8) for index in range(3)]
    for views in bright:
        views[0] = (0, 0, 0, 255)
    arrays = {field.name: [mesh_arrays(mesh)[field.name] for mesh in meshes] for field in schema.MESHES}
    for folder, fields, held in (("meshes", schema.MESHES, arrays), ("views", VIEWS, {"images": bright})):
        place = tmp_path / "data" / folder / "shard-00000"
        write_shard(place, fields=fields, arrays=held, uids=list(UIDS), records=[{}] * 3, rejects=[], key="k")
    entries = [entry_of(uid, split=uid.rpartition("-")[2], caption=f"The source's words for {uid}.") for uid in UIDS]
    write_index(tmp_path / "data" / "meshes", entries)
    return tmp_path / "data"


def export(data: Path, *arguments: str) -> object:
    try:
        app.main(["export", "--data", str(data), "--out", str(data.parent / "out"), *arguments])
    except SystemExit as ended:
        return ended.code or 0
    return 0


def test_the_test_split_is_written_with_the_prompts_of_the_view_that_is_asked_for(data: Path) -> None:
    (data / "captions").mkdir()
    (data / "captions" / "captions.json").write_text(json.dumps({"b-test": "A better caption."}))
    assert export(data, "--view", "1") == 0
    out = data.parent / "out"
    assert sorted(path.name for path in (out / "shapes").iterdir()) == ["b-test.glb", "c-test.glb"]
    assert trimesh.load(out / "shapes" / "c-test.glb", force="mesh").extents == pytest.approx([1, 1.5, 1])
    assert Image.open(out / "images" / "b-test.png").getpixel((4, 4)) == (160, 160, 160, 160)
    said = {"b-test": "A better caption.", "c-test": "The source's words for c-test."}
    assert json.loads((out / "captions.json").read_text()) == said


def test_without_views_there_are_no_images_and_it_says_so(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(data / "views")
    assert export(data) == 0
    assert "2 shapes and captions, 0 images" in (out := capsys.readouterr().out) and "2 have no rendered views" in out


def test_what_cannot_be_exported_is_one_line(data: Path) -> None:
    assert "no asset of split 'tests'; give train, val or test" in str(export(data, "--split", "tests"))
    assert f"--view 2: {data / 'views'} has 2 an asset; use 0 to 1" in str(export(data, "--view", "2"))
    assert not (data.parent / "out").exists()
    (data.parent / "out" / "shapes").mkdir(parents=True)
    assert "give a folder that does not exist yet" in str(export(data))
