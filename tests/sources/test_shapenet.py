"""ShapeNetCore.v2's folder layout: one made here, and the real meshes."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from ltm3d.errors import AssetError, SourceError
from ltm3d.schema import ObjectRecord
from ltm3d.sources.shapenet import ShapenetSource

TAXONOMY = [
    {"synsetId": "03001627", "name": "chair", "children": ["02738535"]},
    {"synsetId": "02738535", "name": "armchair", "children": []},
    {"synsetId": "04530566", "name": "vessel,watercraft", "children": []},
    {"synsetId": "02691156", "name": "airplane,aeroplane,plane", "children": []},
]
SPLITS = """id,synsetId,subSynsetId,modelId,split
1,03001627,02738535,m0,train
2,03001627,03001627,m1,test
3,04530566,04530566,m0,val
4,04530566,04530566,absent,train
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "taxonomy.json").write_text(json.dumps(TAXONOMY))
    (tmp_path / "all.csv").write_text(SPLITS)
    for synset, model in (("03001627", "m0"), ("03001627", "m1"), ("03001627", "m2"), ("04530566", "m0")):
        folder = tmp_path / synset / model
        (folder / "models").mkdir(parents=True)
        (folder / "models/model_normalized.obj").write_text(f"# {synset} {model}")
        (folder / "models/model_normalized.mtl").write_text("newmtl a")
        (folder / "models/model_normalized.json").write_text("{}")
    (tmp_path / "03001627/m0/images").mkdir()
    (tmp_path / "03001627/m0/images/texture0.jpg").write_bytes(b"jpeg")
    (tmp_path / "03001627/broken/models").mkdir(parents=True)
    return tmp_path


def good(records: list[ObjectRecord]) -> list[ObjectRecord]:
    return [record for record in records if not record.fault]


def test_odd_rows_stop_no_other(root: Path) -> None:
    model = root / "09999999/m0/models"
    model.mkdir(parents=True)
    (model / "model_normalized.obj").write_text("x")
    (root / "03001627/.DS_Store").write_text("x")
    (root / "03001627/odd name..").mkdir()
    details = {"m0": None, "m1": {"name": None, "licence": 5, "attribution": ["x"]}, "m2": "text"}
    (root / "metadata.json").write_text(json.dumps(details))
    taxonomy = [*TAXONOMY, {"synsetId": "04530566", "name": None}]
    (root / "taxonomy.json").write_text(json.dumps(taxonomy))
    records = ShapenetSource(root=root).list_objects()
    assert [record.uid for record in good(records)][-1] == "09999999-m0"
    assert len(good(records)) == 5 and len(records) == 7 and records[-1].category == ""
    with pytest.raises(SourceError, match="no synset 'a', 'b' in"):
        ShapenetSource(root=root, synsets=("a", "chair", "b")).list_objects()


def test_links_and_pipes_beside_a_model_are_held_to_the_root(root: Path, tmp_path_factory) -> None:
    secret = tmp_path_factory.mktemp("elsewhere") / "secret"
    secret.write_text("secret")
    source = ShapenetSource(root=root)
    record = good(source.list_objects())[0]
    folder = root / "03001627/m0"
    (folder / "images/inside.png").symlink_to(folder / "images/texture0.jpg")
    (folder / "images/outside.png").symlink_to(secret)
    (folder / "models/model_normalized.mtl").unlink()
    (folder / "models/model_normalized.mtl").symlink_to(secret)
    os.mkfifo(folder / "images/pipe.png")
    assert set(source.fetch(record)) == {record.main_file, "images/texture0.jpg", "images/inside.png"}


def test_models_splits_and_names(root: Path) -> None:
    records = ShapenetSource(root=root).list_objects()
    assert [record.fault for record in records if record.fault] == [
        "bad_row: 03001627/broken has no models/model_normalized.obj"
    ]
    records = good(records)
    assert [(record.uid, record.split) for record in records] == [
        ("03001627-m0", "train"),
        ("03001627-m1", "test"),
        ("03001627-m2", ""),
        ("04530566-m0", "val"),
    ]
    assert [record.caption for record in records[:2]] == [
        "A 3D model of armchair, Chair.",
        "A 3D model of a chair, Chair.",
    ]
    assert {(record.up, record.front) for record in records} == {("+y", "-z")}
    assert {record.licence for record in records} == {"LicenseRef-ShapeNet"}
    assert {record.category for record in records} == {"chair", "vessel"}


def test_mesh_material_and_textures_are_fetched(root: Path) -> None:
    source = ShapenetSource(root=str(root))
    first, second = good(source.list_objects())[:2]
    assert set(source.fetch(first)) == {first.main_file, "models/model_normalized.mtl", "images/texture0.jpg"}
    assert source.fetch(second)[second.main_file] == b"# 03001627 m1" and len(source.fetch(second)) == 2
    (root / "03001627/m1/models/model_normalized.obj").unlink()
    with pytest.raises(AssetError, match="fetch_error"):
        source.fetch(second)


@pytest.mark.parametrize(
    ("synsets", "count"), [(("chair",), 3), (("watercraft",), 1), (("04530566", "Chair"), 4), (("03001627",), 3)]
)
def test_synsets_by_id_or_name(root: Path, synsets: tuple[str, ...], count: int) -> None:
    assert len(good(ShapenetSource(root=root, synsets=synsets).list_objects())) == count


def test_captions_by_uid_or_model(root: Path, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(json.dumps({"m1": "a swivel chair", "04530566-m0": "A tug boat."}))
    records = good(ShapenetSource(root=root, captions=tmp_path / "c.json").list_objects())
    captions = [record.caption for record in records]
    assert captions[1] == "A 3D model of a swivel chair, Chair." and captions[3] == "A 3D model of a tug boat, Vessel."


def test_split_file_of_ones_own(root: Path, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("synsetId,modelId,split\n3001627,m2,val\n")  # zeros lost, as spreadsheets do
    records = good(ShapenetSource(root=root, split_file=tmp_path / "own.csv").list_objects())
    splits = [record.split for record in records]
    assert splits == ["", "", "val", ""]


def test_what_the_source_cannot_do(root: Path, tmp_path: Path) -> None:
    def message(**settings: object) -> str:
        with pytest.raises(SourceError) as error:
            ShapenetSource(**{"root": root, **settings}).list_objects()  # type: ignore[arg-type]
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "given out on request" in message(root=tmp_path / "absent")
    assert "no synset 'zebra'" in message(synsets=("zebra",))
    assert "no synset 'airplane'" in message(synsets=("airplane",))  # known, but not unpacked
    assert "no split file" in message(split_file=tmp_path / "absent.csv")
    assert "its objects have LicenseRef-ShapeNet" in message(licences=("cc0",))
    (root / "all.csv").write_text("a,b\n1,2\n")
    assert "must have the columns" in message()
    (root / "all.csv").write_text("synsetId,modelId,split\n03001627,m0,dev\n")
    fault = ShapenetSource(root=root).list_objects()[1].fault
    assert fault == "bad_row: the split 'dev' is none of train, val, test"
    (root / "all.csv").write_text("synsetId,modelId,split\n03001627,m0,val\n03001627\n,,\n")
    assert [record.split for record in good(ShapenetSource(root=root).list_objects())] == ["val", "", "", ""]
    (root / "all.csv").unlink()
    assert len(good(ShapenetSource(root=root).list_objects())) == 4
    (root / "taxonomy.json").write_text("[")
    assert "is broken" in message()
    (root / "taxonomy.json").unlink()
    assert "no taxonomy.json" in message()


def test_real_meshes(shared_data: Path) -> None:
    source = ShapenetSource(root=shared_data / "shapenet", captions=shared_data / "captions.json")
    records = source.list_objects()
    assert len(records) == 568 and len({record.category for record in records}) == 47
    assert Counter(record.split for record in records) == {"train": 405, "val": 60, "test": 103}
    assert {record.licence for record in records} == {"CC0-1.0", "CC-BY-3.0", "CC-BY-3.0-US"}
    textured = 0
    for record in records[::20]:
        files = source.fetch(record)
        named = {line.split()[-1] for line in files["models/model_normalized.mtl"].split(b"\n") if b"map_Kd" in line}
        assert {name.removeprefix(b"../").decode() for name in named} <= set(files)
        textured += bool(named)
    assert textured
