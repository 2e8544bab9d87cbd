import io
import json

import numpy as np
import pytest
import trimesh
from shapes import box

from ltm3d.geometry.mesh import Mesh
from ltm3d.mesh_io.loading import load_mesh
from ltm3d.mesh_io.writing import SUFFIXES, mesh_to_glb, write_mesh


def test_glb_is_read_by_trimesh() -> None:
    mesh = box((1.0, 0.5, 0.25), color=(200, 100, 50))
    loaded = trimesh.load_scene(io.BytesIO(mesh_to_glb(mesh)), file_type="glb").to_mesh()
    assert np.array_equal(loaded.vertices[loaded.faces], mesh.triangles)


def test_colours_come_back_from_glb_and_ply(tmp_path) -> None:
    colors = np.random.default_rng(0).integers(0, 256, (8, 3)).astype(np.uint8)
    mesh = Mesh(box().vertices, box().faces, colors)
    for name in ("box.glb", "box.ply"):
        write_mesh(mesh, tmp_path / name)
        loaded = load_mesh(tmp_path / name)
        difference = loaded.vertex_colors[loaded.faces].astype(int) - colors[mesh.faces]
        assert np.abs(difference).max() <= 1, name


def test_glb_colours_are_linear_light_on_a_matt_material() -> None:
    data = mesh_to_glb(box(color=(188, 188, 188)))  # sRGB 188 is half the light
    header = json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])
    assert header["materials"][0]["pbrMetallicRoughness"]["metallicFactor"] == 0
    accessor = header["accessors"][header["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"]]
    start = 20 + int.from_bytes(data[12:16], "little") + 8 + header["bufferViews"][accessor["bufferView"]]["byteOffset"]
    light = np.frombuffer(data, "<u2", 4, start) / 65535
    assert light == pytest.approx([0.503, 0.503, 0.503, 1.0], abs=1e-3)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_comes_back_through_our_own_reader(tmp_path, suffix: str) -> None:
    mesh = box((1.0, 0.5, 0.25))
    write_mesh(mesh, tmp_path / f"box{suffix}")
    assert np.allclose(load_mesh(tmp_path / f"box{suffix}").triangles, mesh.triangles, atol=1e-6)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_independent_reader_finds_a_closed_coloured_solid(tmp_path, suffix: str) -> None:
    mesh = box((1.0, 0.5, 0.25), color=(200, 100, 50))
    write_mesh(mesh, tmp_path / f"box{suffix}")
    loaded = trimesh.load_scene(tmp_path / f"box{suffix}").to_mesh()
    assert np.allclose(loaded.vertices[loaded.faces], mesh.triangles, atol=1e-6)
    loaded.merge_vertices(merge_tex=True, merge_norm=True)
    assert loaded.is_watertight and loaded.volume == pytest.approx(0.125, rel=1e-5)
    if suffix in (".obj", ".ply"):  # STL has no colours; trimesh sees none of a GLB beside a material, ours does, above
        assert np.abs(loaded.visual.vertex_colors[:, :3].astype(int) - (200, 100, 50)).max() <= 1


def test_same_mesh_same_bytes_and_unknown_suffix_is_named(tmp_path) -> None:
    assert mesh_to_glb(box(color=(1, 2, 3))) == mesh_to_glb(box(color=(1, 2, 3)))
    with pytest.raises(ValueError, match=r"\.blend"):
        write_mesh(Mesh(np.eye(3), np.array([[0, 1, 2]])), tmp_path / "a.blend")
