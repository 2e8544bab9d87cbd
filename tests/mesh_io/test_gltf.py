import time

import numpy as np
import pytest
from gltf_scenes import gltf_of, save
from shapes import box

from ltm3d.errors import AssetError
from ltm3d.geometry.mesh import Mesh, concatenate, face_areas, is_watertight
from ltm3d.mesh_io.gltf_file import GltfFile
from ltm3d.mesh_io.loading import LoadedAsset, LoadLimits, load_asset, load_mesh

SQUARE = Mesh(np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32), np.array([[0, 1, 2], [0, 2, 3]]))


def read(gltf: GltfFile, folder, **limits: int) -> LoadedAsset:
    return load_asset(save(gltf, folder), limits=LoadLimits(**{"max_faces": 10_000, "max_pixels": 10_000, **limits}))


def extents(gltf: GltfFile, folder) -> list[float]:
    return np.ptp(read(gltf, folder).mesh.vertices, axis=0).tolist()


def primitive(gltf: GltfFile) -> dict:
    return gltf.header["meshes"][0]["primitives"][0]


@pytest.mark.parametrize("name", ["EXT_meshopt_compression", "KHR_meshopt_compression"])
def test_compression_without_a_fallback_is_named_before_the_layout_is_judged(tmp_path, name: str) -> None:
    gltf = gltf_of(box())
    gltf.header["extensionsUsed"] = [name]
    assert len(read(gltf, tmp_path).mesh.faces) == 12  # used but not required: plain data is there too
    gltf.header["extensionsRequired"] = [name]
    gltf.header["bufferViews"][0]["byteLength"] = 10**9  # as gltfpack writes it: the view of the decompressed data
    with pytest.raises(AssetError, match=name) as caught:
        read(gltf, tmp_path)
    assert caught.value.reason == "unsupported_compression"


def test_extensions_that_are_required_and_not_known_are_named(tmp_path) -> None:
    gltf = gltf_of(box())
    gltf.header["extensionsUsed"] = ["ACME_more", "ACME_geometry"]
    assert read(gltf, tmp_path)
    gltf.header["extensionsRequired"] = ["KHR_materials_unlit", "KHR_mesh_quantization"]
    assert read(gltf, tmp_path)
    gltf.header["extensionsRequired"] += ["ACME_more", "ACME_geometry"]
    with pytest.raises(AssetError, match="ACME_geometry, ACME_more") as caught:
        read(gltf, tmp_path)
    assert caught.value.reason == "unsupported_extension"


def test_what_does_not_count_may_be_broken(tmp_path) -> None:
    gltf = gltf_of(box())
    gltf.header["animations"] = [{"channels": "broken"}]
    gltf.header["cameras"] = [{"type": "perspective"}]
    gltf.header["nodes"][0] |= {"camera": 0, "extras": {"a": 1}, "name": "same"}
    glossy = {"diffuseFactor": [1, 0, 0, 1], "glossinessFactor": 1}
    gltf.header["materials"] = [
        {"normalTexture": {"index": 99}, "extensions": {"KHR_materials_pbrSpecularGlossiness": glossy}}
    ]
    primitive(gltf)["material"] = 0
    assert (read(gltf, tmp_path).mesh.vertex_colors == (255, 0, 0)).all()


def test_a_file_without_scenes_shows_every_root(tmp_path) -> None:
    gltf = gltf_of(box())
    gltf.header["nodes"] = [{"mesh": 0}, {"children": [0]}, {"mesh": 0}]
    del gltf.header["scenes"], gltf.header["scene"]
    assert len(read(gltf, tmp_path).mesh.faces) == 24


@pytest.mark.parametrize(
    ("mode", "indices"),
    [(4, [0, 1, 2, 0, 2, 3]), (5, [1, 2, 0, 3]), (6, [0, 1, 2, 3])],
    ids=["triangles", "strip", "fan"],
)
@pytest.mark.parametrize("indexed", [True, False])
def test_triangles_strips_and_fans_are_one_square_that_looks_forward(tmp_path, mode, indices, indexed) -> None:
    gltf = gltf_of(SQUARE)
    part = primitive(gltf)
    part["mode"] = mode
    if indexed:
        part["indices"] = gltf.add_accessor(np.array(indices, np.uint16).reshape(-1, 1), "SCALAR")
    else:
        del part["indices"]
        part["attributes"]["POSITION"] = gltf.add_accessor(SQUARE.vertices[indices], "VEC3")
    mesh = read(gltf, tmp_path).mesh
    assert len(mesh.faces) == 2 and face_areas(mesh).sum() == pytest.approx(1)
    normals = np.cross(*np.diff(mesh.triangles, axis=1).transpose(1, 0, 2))
    assert (normals[:, 2] > 0).all()


def test_points_and_lines_are_left_out_and_unknown_modes_refused(tmp_path) -> None:
    gltf = gltf_of(box())
    part = primitive(gltf)
    gltf.header["meshes"][0]["primitives"] = [{**part, "mode": 0}, {**part, "mode": 1}, part]
    assert len(read(gltf, tmp_path).mesh.faces) == 12
    gltf.header["meshes"][0]["primitives"] = [{**part, "mode": 7}]
    with pytest.raises(AssetError, match=r"parse_error.*mode 7"):
        read(gltf, tmp_path)


def test_instances_stand_where_the_gpu_would_put_them(tmp_path) -> None:
    gltf = gltf_of(box())
    shifts, turn = np.array([[0, 0, 0], [3, 0, 0], [6, 0, 0]], np.float32), [0, 0, 2**-0.5, 2**-0.5]
    attributes = {"TRANSLATION": gltf.add_accessor(shifts, "VEC3")}
    gltf.header["nodes"][0] |= {
        "extensions": {"EXT_mesh_gpu_instancing": {"attributes": attributes}},
        "rotation": turn,  # the node's own transform comes after the instance's
    }
    gltf.header["extensionsRequired"] = ["EXT_mesh_gpu_instancing"]
    asset = read(gltf, tmp_path)
    assert len(asset.mesh.faces) == 36 and np.ptp(asset.mesh.vertices, axis=0) == pytest.approx([1, 7, 1])
    attributes["SCALE"] = gltf.add_accessor(np.array([[1, 1, 1], [2, 1, 1], [1, 1, -1]], np.float32), "VEC3")
    attributes["ROTATION"] = gltf.add_accessor(np.array([[0, 0, 0, 32767]] * 3, np.int16), "VEC4")
    gltf.header["accessors"][attributes["ROTATION"]]["normalized"] = True
    turned = read(gltf, tmp_path).mesh
    assert np.ptp(turned.vertices, axis=0) == pytest.approx([1, 7, 1]) and face_areas(turned).sum() == pytest.approx(22)
    assert all(is_watertight(Mesh(turned.vertices, turned.faces[start : start + 12])) for start in (0, 12, 24))
    with pytest.raises(AssetError, match="too_large: 36 faces"):
        read(gltf, tmp_path, max_faces=35)
    attributes["SCALE"] = gltf.add_accessor(np.ones((2, 3), np.float32), "VEC3")
    with pytest.raises(AssetError, match="parse_error"):
        read(gltf, tmp_path)


def test_morphs_stand_at_their_default_weights(tmp_path) -> None:
    gltf = gltf_of(box())
    up, wide = (np.zeros((8, 3), np.float32) for _ in range(2))
    up[box().vertices[:, 1] > 0, 1] = 4
    wide[box().vertices[:, 0] > 0, 0] = 1
    primitive(gltf)["targets"] = [{"POSITION": gltf.add_accessor(each, "VEC3")} for each in (up, wide)]
    assert extents(gltf, tmp_path) == pytest.approx([1, 1, 1])
    gltf.header["meshes"][0]["weights"] = [0.5, 0]
    assert extents(gltf, tmp_path) == pytest.approx([1, 3, 1])
    gltf.header["nodes"][0]["weights"] = [0, 2]  # the node's own come first
    assert extents(gltf, tmp_path) == pytest.approx([3, 1, 1])


def test_hidden_nodes_and_all_below_them_are_left_out(tmp_path) -> None:
    gltf = gltf_of(box())
    hidden = {"KHR_node_visibility": {"visible": False}}
    gltf.header["nodes"] = [
        {"mesh": 0, "children": [1, 2]},
        {"children": [3], "extensions": hidden},
        {"mesh": 0, "translation": [2, 0, 0], "extensions": {"KHR_node_visibility": {"visible": True}}},
        {"mesh": 0, "translation": [9, 0, 0], "extensions": {"KHR_node_visibility": {"visible": True}}},
    ]
    assert extents(gltf, tmp_path) == pytest.approx([3, 1, 1])


def test_deep_trees_take_no_time_and_circles_are_refused(tmp_path) -> None:
    gltf = gltf_of(box())
    depth = 20_000
    gltf.header["nodes"] = [{"children": [n + 1], "translation": [0.5, 0, 0]} for n in range(depth)] + [{"mesh": 0}]
    start = time.process_time()
    assert read(gltf, tmp_path).origin == pytest.approx([depth / 2, 0, 0])
    assert time.process_time() - start < 10  # trimesh took 90 s for less
    gltf.header["nodes"][-1]["children"] = [0]
    with pytest.raises(AssetError, match=r"parse_error.*20001 nodes hold each other in a circle"):
        read(gltf, tmp_path)


def test_nodes_that_are_shared_again_and_again_are_bounded(tmp_path) -> None:
    gltf = gltf_of(box())
    gltf.header["nodes"] = [{"children": [n + 1, n + 1]} for n in range(40)] + [{"mesh": 0}]  # 2^40 boxes
    with pytest.raises(AssetError, match="too_large"):
        read(gltf, tmp_path)


def test_geometry_outside_the_folder_rejects_the_asset(tmp_path) -> None:
    gltf = gltf_of(box())
    gltf.header["buffers"] = [{"uri": "../outside.bin", "byteLength": 4}]
    import json

    (tmp_path / "outside.bin").write_bytes(bytes(400))
    folder = tmp_path / "asset"
    folder.mkdir()
    (folder / "a.gltf").write_text(json.dumps(gltf.header))
    with pytest.raises(AssetError, match="unsafe_reference"):
        load_mesh(folder / "a.gltf")


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header["meshes"][0]["primitives"][0]["attributes"].update(POSITION="zero"),
        lambda header: header["meshes"][0]["primitives"][0].pop("attributes"),
        lambda header: header.update(meshes=5),
        lambda header: header["accessors"][0].update(componentType=1),
        lambda header: header.update(nodes={"mesh": 0}),
        lambda header: header["nodes"][0].update(matrix=[1, 2, 3]),
        lambda header: header["nodes"][0].update(rotation="x"),
        lambda header: header["accessors"][0].update(count=2.5),
        lambda header: header["scenes"][0].update(nodes=[7]),
    ],
)
def test_broken_headers_are_parse_errors(tmp_path, change) -> None:
    gltf = gltf_of(box())
    change(gltf.header)
    with pytest.raises(AssetError, match="parse_error"):
        read(gltf, tmp_path)


def test_parts_of_one_file_may_have_colours_or_none(tmp_path) -> None:
    gltf = gltf_of(concatenate([box(), box(center=(3, 0, 0))]))
    part = primitive(gltf)
    gltf.header["meshes"][0]["primitives"] = [part, {**part, "material": 0}]
    gltf.header["materials"] = [{"pbrMetallicRoughness": {"baseColorFactor": [1, 0, 0, 1]}}]
    colors = read(gltf, tmp_path).mesh.vertex_colors
    assert {tuple(row) for row in np.unique(colors, axis=0).tolist()} == {(128, 128, 128), (255, 0, 0)}
