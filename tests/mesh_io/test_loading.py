import io
import json

import numpy as np
import pytest
import trimesh
from gltf_scenes import add_texture, gltf_of, png, save
from shapes import box

from ltm3d.errors import AssetError, ConfigError
from ltm3d.geometry.cleaning import clean_mesh
from ltm3d.geometry.mesh import Mesh
from ltm3d.mesh_io.loading import LoadLimits, load_asset, load_mesh

OBJ = "mtllib {mtl}\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0.5 0.5\nusemtl skin\nf 1/1 2/1 3/1\n"


def shapenet_asset(tmp_path, texture: str = "../images/texture0.png", mtl: str = "model.mtl"):
    """An OBJ with its pictures beside its folder; returns the file and the asset's root."""
    root = tmp_path / "asset"
    for folder in ("models", "images"):
        (root / folder).mkdir(parents=True)
    (root / "models" / "model.obj").write_text(OBJ.format(mtl=mtl))
    (root / "models" / "model.mtl").write_text(f"newmtl skin\nKd 0 0 1\nmap_Kd {texture}\n")
    (root / "images" / "texture0.png").write_bytes(png(np.full((4, 4, 3), (10, 200, 30), np.uint8)))
    return root / "models" / "model.obj", root


def test_textures_beside_the_obj_folder_load_when_the_root_allows(tmp_path) -> None:
    path, root = shapenet_asset(tmp_path)
    assert (load_mesh(path, root=root).vertex_colors == (10, 200, 30)).all()
    alone = load_asset(path)  # its own folder only
    assert (alone.mesh.vertex_colors == (0, 0, 255)).all() and "lies outside" in alone.notes[0]


@pytest.mark.parametrize("name", ["../../outside.png", "/etc/passwd", "file:///etc/passwd", "http://example.org/a.png"])
def test_pictures_out_of_the_root_cost_the_colour_alone(tmp_path, name: str) -> None:
    (tmp_path / "outside.png").write_bytes(png(np.zeros((2, 2, 3), np.uint8)))
    path, root = shapenet_asset(tmp_path, texture=name)
    asset = load_asset(path, root=root)
    assert (asset.mesh.vertex_colors == (0, 0, 255)).all()  # Kd
    assert len(asset.notes) == 1 and asset.notes[0].startswith("picture not read: ")


def test_a_material_file_out_of_the_root_and_a_missing_picture_cost_the_colour_alone(tmp_path) -> None:
    path, root = shapenet_asset(tmp_path, mtl="../../../etc/passwd")
    asset = load_asset(path, root=root)
    assert asset.mesh.vertex_colors is None and asset.notes[0].startswith("materials not read: ")
    path, root = shapenet_asset(tmp_path / "second", texture="../images/none.png")
    assert (load_mesh(path, root=root).vertex_colors == (0, 0, 255)).all()


def test_parts_instances_and_transforms_are_put_in_place(tmp_path) -> None:
    gltf = gltf_of(box((1, 1, 1)))
    mirrored = {"mesh": 0, "scale": [-2, 2, 2]}
    gltf.header["nodes"] = [
        {"children": [1, 2], "translation": [10, 0, 0]},
        {"mesh": 0, "rotation": [0, 0, 2**-0.5, 2**-0.5], "translation": [0, 5, 0]},
        mirrored,
        {"mesh": 0, "translation": [99, 99, 99]},  # in no scene
    ]
    gltf.header["scenes"] = [{"nodes": [0]}]
    mesh = load_mesh(save(gltf, tmp_path))
    assert len(mesh.faces) == 24
    assert mesh.vertices.min(axis=0) == pytest.approx([9, -1, -1]) and mesh.vertices.max(axis=0) == pytest.approx(
        [11, 5.5, 1]
    )
    for part in (mesh.faces[:12], mesh.faces[12:]):  # the mirrored one too is wound outward
        solid = trimesh.Trimesh(mesh.vertices, part, process=False)
        assert solid.volume > 0.9


def test_several_materials_each_colour_their_part(tmp_path) -> None:
    gltf = gltf_of(box())
    part = gltf.header["meshes"][0]["primitives"][0]
    gltf.header["meshes"][0]["primitives"] = [{**part, "material": index} for index in (0, 1)]
    gltf.header["materials"] = [
        {"pbrMetallicRoughness": {"baseColorFactor": color}} for color in ([1, 0, 0, 1], [0, 0, 1, 1])
    ]
    mesh = load_mesh(save(gltf, tmp_path))
    assert mesh.vertex_colors is not None
    assert (mesh.vertex_colors[mesh.faces[:12]] == (255, 0, 0)).all()
    assert (mesh.vertex_colors[mesh.faces[12:]] == (0, 0, 255)).all()


def test_colours_of_faces_survive_the_weld(tmp_path) -> None:
    """A box whose six sides lie on six texels of an atlas keeps six flat colours."""
    solid = box()
    corners = solid.triangles.reshape(-1, 3)
    side = np.repeat(np.abs(np.cross(*np.diff(solid.triangles, axis=1).transpose(1, 0, 2))).argmax(axis=1), 3)
    texels = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)[None]
    uv = np.stack([(side + 0.5) / 3, np.full(36, 0.5)], axis=1).astype(np.float32)
    gltf = gltf_of(Mesh(corners, np.arange(36).reshape(-1, 3)), TEXCOORD_0=(uv, "VEC2"))
    add_texture(gltf, texels)
    mesh = clean_mesh(load_mesh(save(gltf, tmp_path)))
    assert len(mesh.vertices) == 24 and len(mesh.faces) == 12
    assert np.array_equal(mesh.vertex_colors[mesh.faces].reshape(-1, 3), texels[0][side])


def test_textures_by_either_specification(tmp_path) -> None:
    gltf = gltf_of(box(), TEXCOORD_0=(np.full((8, 2), 0.5, np.float32), "VEC2"))
    add_texture(gltf, np.full((2, 2, 3), (9, 99, 199), np.uint8))
    assert np.abs(load_mesh(save(gltf, tmp_path)).vertex_colors.astype(int) - (9, 99, 199)).max() <= 1
    texture = gltf.header["materials"][0].pop("pbrMetallicRoughness")["baseColorTexture"]
    gltf.header["materials"][0]["extensions"] = {"KHR_materials_pbrSpecularGlossiness": {"diffuseTexture": texture}}
    assert np.abs(load_mesh(save(gltf, tmp_path)).vertex_colors.astype(int) - (9, 99, 199)).max() <= 1


def test_quantised_positions_are_scaled(tmp_path) -> None:
    quantised = np.rint(box((1.8, 1, 0.5)).vertices * 32767).astype(np.int16)
    gltf = gltf_of(Mesh(np.zeros((8, 3)), box().faces))
    position = gltf.add_accessor(quantised, "VEC3")
    gltf.header["accessors"][position]["normalized"] = True
    gltf.header["meshes"][0]["primitives"][0]["attributes"]["POSITION"] = position
    gltf.header["extensionsRequired"] = ["KHR_mesh_quantization"]
    assert load_mesh(save(gltf, tmp_path)).vertices == pytest.approx(box((1.8, 1, 0.5)).vertices, abs=1e-4)


def test_limits_are_held(tmp_path) -> None:
    path = save(gltf_of(box()), tmp_path)
    size = path.stat().st_size
    with pytest.raises(AssetError, match=r"too_large.*bytes"):
        load_mesh(path, limits=LoadLimits(max_bytes=size - 1))
    with pytest.raises(AssetError, match="too_large"):
        load_mesh(path, limits=LoadLimits(max_faces=11, max_bytes=size))
    many = gltf_of(box())
    many.header["nodes"] = [{"mesh": 0} for _ in range(10)]
    many.header["scenes"] = [{"nodes": list(range(10))}]
    with pytest.raises(AssetError, match=r"too_large: 120 faces"):
        load_mesh(save(many, tmp_path), limits=LoadLimits(max_faces=119))
    with pytest.raises(ConfigError, match="max_faces 0"):
        LoadLimits(max_faces=0)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.obj", b"\x00\xff\xfe garbage", "no_surface"),
        ("a.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", "parse_error"),
        ("a.ply", b"ply\nformat ascii 1.0\nelement vertex 99999999\nproperty float x\nend_header\n1\n", "parse_error"),
        ("a.stl", b"solid nothing", "no_surface"),
        ("a.glb", b"glTF", "parse_error"),
        ("a.off", b"OFF\n3 1 0\n0 0 0\n", "parse_error"),
        ("a.fbx", b"Kaydara", "parse_error"),
    ],
)
def test_broken_files_have_a_typed_reason(tmp_path, name: str, data: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(AssetError) as caught:
        load_mesh(tmp_path / name)
    assert caught.value.reason in (reason, "parse_error")


def test_small_things_far_from_the_origin_keep_their_form(tmp_path) -> None:
    """Moved in float64: in float32 a step at 4,500,000 is half a unit long."""
    place = np.array([450_000.25, 5_400_000.5, 120.125])
    for suffix in ("obj", "ply", "off", "stl"):
        solid = trimesh.creation.box((0.2, 0.2, 0.2))
        path = tmp_path / f"far.{suffix}"
        path.write_text(TEXT[suffix](solid.vertices + place, solid.faces))
        asset = load_asset(path)
        assert np.ptp(asset.mesh.vertices, axis=0) == pytest.approx([0.2] * 3, rel=1e-5), suffix
        assert asset.origin == pytest.approx(place, abs=1e-6)
    gltf = gltf_of(box((0.2, 0.2, 0.2)))
    gltf.header["nodes"] = [{"mesh": 0, "translation": place.tolist()}]
    asset = load_asset(save(gltf, tmp_path))
    assert np.ptp(asset.mesh.vertices, axis=0) == pytest.approx([0.2] * 3, rel=1e-5)
    assert asset.origin == pytest.approx(place, abs=1e-6)


def test_faces_without_area_and_unused_vertices_do_not_count_for_the_extent(tmp_path) -> None:
    solid = trimesh.creation.box()
    far = np.array([[1e9, 0, 0], [1e9, 1, 0], [1e9, 2, 0], [-1e12, 7, 7]])
    vertices = np.concatenate([solid.vertices, far])
    extra = [[8, 9, 10], [8, 8, 9], [10, 10, 10], [0, 0, 11]]
    for suffix in ("obj", "ply", "off"):
        path = tmp_path / f"far.{suffix}"
        path.write_text(TEXT[suffix](vertices, np.concatenate([solid.faces, extra])))
        mesh = load_asset(path).mesh
        assert len(mesh.faces) == 12 and np.ptp(mesh.vertices, axis=0) == pytest.approx([1, 1, 1]), suffix


def _obj(vertices, faces):
    lines = [f"v {x!r} {y!r} {z!r}" for x, y, z in vertices.tolist()]
    return "\n".join(lines + [f"f {a + 1} {b + 1} {c + 1}" for a, b, c in faces]) + "\n"


def _ply(vertices, faces):
    axes = "".join(f"property double {axis}\n" for axis in "xyz")
    head = f"ply\nformat ascii 1.0\nelement vertex {len(vertices)}\n{axes}element face {len(faces)}\n"
    rows = [f"{x!r} {y!r} {z!r}" for x, y, z in vertices.tolist()] + [f"3 {a} {b} {c}" for a, b, c in faces]
    return head + "property list uchar int vertex_indices\nend_header\n" + "\n".join(rows) + "\n"


def _off(vertices, faces):
    rows = [f"{x!r} {y!r} {z!r}" for x, y, z in vertices.tolist()] + [f"3 {a} {b} {c}" for a, b, c in faces]
    return f"OFF\n{len(vertices)} {len(faces)} 0\n" + "\n".join(rows) + "\n"


def _stl(vertices, faces):
    facets = [
        "facet normal 0 0 0\nouter loop\n"
        + "".join(f"vertex {x!r} {y!r} {z!r}\n" for x, y, z in vertices[face].tolist())
        + "endloop\nendfacet\n"
        for face in faces
    ]
    return "solid a\n" + "".join(facets) + "endsolid a\n"


TEXT = {"obj": _obj, "ply": _ply, "off": _off, "stl": _stl}


def test_gltf_json_with_an_embedded_buffer(tmp_path) -> None:
    scene = trimesh.Scene(trimesh.creation.box())
    files = trimesh.exchange.gltf.export_gltf(scene, embed_buffers=True)
    header = json.loads(files["model.gltf"])
    assert header["buffers"][0]["uri"].startswith("data:")
    (tmp_path / "model.gltf").write_bytes(files["model.gltf"])
    assert len(load_mesh(tmp_path / "model.gltf").faces) == 12


def test_ascii_and_binary_stl(tmp_path) -> None:
    for kind in ("stl", "stl_ascii"):
        data = trimesh.creation.box().export(file_type=kind)
        (tmp_path / "box.stl").write_bytes(data.encode() if isinstance(data, str) else data)
        assert len(clean_mesh(load_mesh(tmp_path / "box.stl")).vertices) == 8
    assert trimesh.load_mesh(io.BytesIO((tmp_path / "box.stl").read_bytes()), file_type="stl").is_watertight


def test_real_files_load_with_their_colours(shared_data) -> None:
    paths = sorted(shared_data.glob("shapenet/*/*/models/*.obj"))[::40]
    paths += sorted(shared_data.glob("objaverse/hf-objaverse-v1/glbs/*/*.glb"))[::45]
    for path in paths:
        root = path.parents[1] if path.suffix == ".obj" else None
        mesh = clean_mesh(load_mesh(path, root=root))
        assert np.isfinite(mesh.vertices).all() and mesh.vertex_colors is not None, path


def test_textures_of_real_shapenet_assets_are_used(shared_data) -> None:
    textured = [
        path
        for path in sorted(shared_data.glob("shapenet/*/*/models/*.obj"))
        if "map_Kd" in path.with_suffix(".mtl").read_text(errors="replace")
    ][:3]
    assert textured
    for path in textured:
        mesh = load_mesh(path, root=path.parents[1])
        assert mesh.vertex_colors is not None and len(np.unique(mesh.vertex_colors, axis=0)) > 1, path
