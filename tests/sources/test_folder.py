"""A folder of meshes: ids, captions, the files a mesh refers to."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from ltm3d.errors import AssetError, ConfigError, SourceError
from ltm3d.schema import ObjectRecord
from ltm3d.sources.faults import UID, raise_fault
from ltm3d.sources.folder import FolderSource


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def fetched(source: FolderSource, index: int = 0) -> list[str]:
    return sorted(source.fetch(source.list_objects()[index]))


def test_uids_categories_and_captions(tmp_path: Path) -> None:
    write(tmp_path, {name: "x" for name in ("chairs/Bar_Stool-02.glb", "lamp.PLY", "notes.txt", ".hidden/a.glb")})
    records = FolderSource(root=tmp_path, prefix="my-", licence="by", attribution="Ann").list_objects()
    assert [(record.uid, record.main_file, record.category, record.caption) for record in records] == [
        ("my-chairs--Bar_Stool-02", "chairs/Bar_Stool-02.glb", "chairs", "A 3D model of a bar stool, Chairs."),
        ("my-lamp", "lamp.PLY", "", "A 3D model of a lamp."),
    ]
    assert {(record.licence, record.attribution) for record in records} == {("CC-BY-4.0", "Ann")}


def test_hidden_meshes_are_said_to_be_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, {name: "x" for name in ("a.obj", "._a.obj", "chairs/.b.glb", ".notes")})
    with caplog.at_level("INFO"):
        records = FolderSource(root=tmp_path).list_objects()
    assert [record.uid for record in records] == ["a"]
    assert "2 hidden files are left out, e.g. ._a.obj" in caplog.text


def test_uids_stay_unique_where_letters_are_lost(tmp_path: Path) -> None:
    names = (
        "a b.glb",
        "a_b.glb",
        "a/b.glb",
        "a--b.glb",
        "a-b.glb",
        "a-/b.glb",
        "a/-b.glb",
        "stuhl ä.glb",
        "stuhl ö.glb",
    )
    write(tmp_path, {name: "x" for name in names})
    uids = {record.main_file: record.uid for record in FolderSource(root=tmp_path).list_objects()}
    assert len(set(uids.values())) == len(names) and uids["a/b.glb"] == "a--b" and uids["a_b.glb"] == "a_b"
    (tmp_path / "a b.glb").unlink()
    again = {record.main_file: record.uid for record in FolderSource(root=tmp_path).list_objects()}
    assert again.items() < uids.items()


@pytest.mark.parametrize("key", ["sub--chair", "sub/chair.glb", "sub/chair", "chair.glb", "chair"])
def test_caption_by_any_id(tmp_path: Path, key: str) -> None:
    write(tmp_path / "meshes", {"sub/chair.glb": "x"})
    (tmp_path / "c.json").write_text(json.dumps({key: "A red chair."}))
    source = FolderSource(root=tmp_path / "meshes", captions=tmp_path / "c.json", category="seat")
    assert source.list_objects()[0].caption == "A 3D model of a red chair, Seat."


def test_an_obj_brings_its_materials_and_textures(tmp_path: Path) -> None:
    material = (
        "newmtl a\nKd 1 1 1\nmap_Kd -s 1 1 1 -clamp on ../textures/old oak.png\r\n"
        "bump -bm 0.5 bump.png\nmap_d missing.png\nmap_Ks ..\\textures\\gloss.png\n"
    )
    files = {
        "sub/chair.obj": "mtllib chair one.mtl\r\nv 0 0 0\nusemtl a\n",
        "sub/chair one.mtl": material,
        "textures/old oak.png": "oak",
        "textures/gloss.png": "gloss",
        "sub/bump.png": "bump",
        "sub/unused.png": "unused",
    }
    source = FolderSource(root=write(tmp_path, files))
    assert fetched(source) == ["sub/chair one.mtl", "sub/chair.obj", "textures/old oak.png"]  # what colours it
    assert source.fetch(source.list_objects()[0])["textures/old oak.png"] == b"oak"


def test_a_gltf_brings_its_buffers_and_images(tmp_path: Path) -> None:
    document = {
        "buffers": [{"uri": "data%20file.bin"}, {"uri": "data:application/octet-stream;base64,AA=="}, {}],
        "images": [{"uri": "wood.png"}, {"bufferView": 0}],
    }
    write(tmp_path, {"a.gltf": json.dumps(document), "data file.bin": "b", "wood.png": "p"})
    assert fetched(FolderSource(root=tmp_path)) == ["a.gltf", "data file.bin", "wood.png"]
    (tmp_path / "a.gltf").write_text("[1]")
    with pytest.raises(AssetError, match="parse_error"):
        fetched(FolderSource(root=tmp_path))


@pytest.mark.parametrize("reference", ["../secret.png", "/etc/hostname", "inside/../../secret.png"])
def test_nothing_outside_the_root_is_read(tmp_path: Path, reference: str) -> None:
    write(
        tmp_path, {"secret.png": "s", "root/a.obj": "mtllib a.mtl\n", "root/a.mtl": f"newmtl m\nmap_Kd {reference}\n"}
    )
    assert fetched(FolderSource(root=tmp_path / "root")) == ["a.mtl", "a.obj"]  # it costs the colour alone
    (tmp_path / "root/a.obj").unlink()
    write(tmp_path, {"root/a.gltf": json.dumps({"images": [{"uri": reference}]})})
    assert fetched(FolderSource(root=tmp_path / "root")) == ["a.gltf"]
    write(tmp_path, {"root/a.gltf": json.dumps({"buffers": [{"uri": reference}]})})
    with pytest.raises(AssetError, match="unsafe_reference"):
        fetched(FolderSource(root=tmp_path / "root"))


def test_a_link_that_leads_out_is_not_followed_as_a_texture(tmp_path: Path) -> None:
    write(tmp_path, {"secret.png": "s", "root/a.obj": "mtllib a.mtl\n", "root/a.mtl": "newmtl m\nmap_Kd wood.png\n"})
    (tmp_path / "root/wood.png").symlink_to(tmp_path / "secret.png")
    assert fetched(FolderSource(root=tmp_path / "root")) == ["a.mtl", "a.obj"]


def test_pictures_are_found_in_other_letters_and_behind_options(tmp_path: Path) -> None:
    write(tmp_path, {"a.obj": "mtllib A.MTL\n", "a.mtl": 'newmtl m\nmap_Kd -s 1 1 1 "T\\Red.PNG"\n', "t/red.png": "r"})
    (tmp_path / "t").rename(tmp_path / "T")
    assert fetched(FolderSource(root=tmp_path)) == ["T/red.png", "a.mtl", "a.obj"]


def test_what_is_called_like_a_mesh_and_is_none_is_a_row_of_its_own(tmp_path: Path) -> None:
    root = write(tmp_path / "root", {"good.obj": "x", "sub/other.obj": "x"})
    write(tmp_path, {"elsewhere/inside.obj": "x"})
    os.mkfifo(root / "pipe.obj")
    (root / "folder.ply").mkdir()
    (root / "full.stl").mkdir()
    (root / "full.stl/a.stl").write_text("x")
    (root / "outside").symlink_to(tmp_path / "elsewhere")
    (root / "inside").symlink_to(root / "sub")
    (root / "loop").symlink_to(root)
    (root / "dangling.glb").symlink_to(root / "absent.glb")
    with open(os.fsencode(root) + b"/caf\xe9.obj", "wb") as file:
        file.write(b"x")
    (root / ("x" * 200)).mkdir()
    (root / ("x" * 200) / ("y" * 200 + ".obj")).write_text("x")
    (root / "new\nline.obj").write_text("x")
    source = FolderSource(root=root)
    records = source.list_objects()
    json.dumps([asdict(record) for record in records], ensure_ascii=False).encode()
    assert all(UID.fullmatch(record.uid) for record in records)

    def outcome(record: ObjectRecord) -> str:
        try:
            raise_fault(record)
            source.fetch(record)
        except AssetError as error:
            return error.reason
        return "ok"

    outcomes = {record.main_file.split("/")[-1]: outcome(record) for record in records}
    assert outcomes == {
        "good.obj": "ok",
        "other.obj": "ok",
        "a.stl": "ok",
        "y" * 200 + ".obj": "ok",
        "pipe.obj": "bad_row",
        "folder.ply": "bad_row",
        "caf\\xe9.obj": "bad_row",
        "new line.obj": "bad_row",
        "outside": "unsafe_reference",
        "dangling.glb": "fetch_error",
    }


def test_a_mesh_beside_another_of_its_name_has_a_uid_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, {"a.obj": "x", "a.glb": "x", "a.GLB": "x", "b.stl": "x"})
    uids = {record.main_file: record.uid for record in FolderSource(root=tmp_path).list_objects()}
    assert len(set(uids.values())) == 4 and uids["a.GLB"] == "a" and uids["a.obj"].startswith("a_obj-")
    assert uids["b.stl"] == "b"


def test_a_file_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large.obj").open("wb") as file:
        file.truncate(600 * 2**20)
    source = FolderSource(root=tmp_path)
    with pytest.raises(AssetError, match=r"too_large: large\.obj: 629,145,600 bytes"):
        source.fetch(source.list_objects()[0])


def test_a_folder_of_links_to_meshes_works(tmp_path: Path) -> None:
    write(tmp_path, {"store/1.glb": "one", "root/keep.txt": ""})
    (tmp_path / "root/chair.glb").symlink_to(tmp_path / "store/1.glb")
    source = FolderSource(root=tmp_path / "root")
    assert source.fetch(source.list_objects()[0]) == {"chair.glb": b"one"}


def test_files_that_name_each_other_end(tmp_path: Path) -> None:
    write(tmp_path, {"a.obj": "mtllib a.obj\nmtllib .\n"})
    assert fetched(FolderSource(root=tmp_path)) == ["a.obj"]


def test_what_the_source_cannot_do(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no folder"):
        FolderSource(root=tmp_path / "absent").list_objects()
    with pytest.raises(SourceError, match="holds no mesh"):
        FolderSource(root=tmp_path).list_objects()
    write(tmp_path, {"chair.obj": "x", "chair.glb": "x"})
    assert len(FolderSource(root=tmp_path, suffixes=(".glb",)).list_objects()) == 1
    with pytest.raises(ConfigError, match="suffixes"):
        FolderSource(root=tmp_path, suffixes=(".fbx",))
    with pytest.raises(ConfigError, match="prefix"):
        FolderSource(root=tmp_path, prefix="a/")
    source = FolderSource(root=tmp_path, suffixes=(".glb",))
    record = source.list_objects()[0]
    (tmp_path / "chair.glb").unlink()
    with pytest.raises(AssetError, match="fetch_error"):
        source.fetch(record)


def test_real_meshes_as_a_folder(shared_data: Path) -> None:
    source = FolderSource(
        root=shared_data / "shapenet/03001627", captions=shared_data / "captions.json", limit=10, front="-z"
    )
    records = source.list_objects()
    assert len(records) == 10
    files = source.fetch(records[0])
    assert records[0].main_file in files and any(name.endswith(".mtl") for name in files)
