import sys

import DracoPy
import numpy as np
import pytest
from gltf_scenes import add_texture, gltf_of, save
from shapes import box, sphere

from ltm3d.errors import AssetError
from ltm3d.geometry.cleaning import clean_mesh, geometry_signature
from ltm3d.geometry.mesh import Mesh
from ltm3d.mesh_io.draco import EXTENSION
from ltm3d.mesh_io.gltf_file import GltfFile
from ltm3d.mesh_io.loading import LoadLimits, load_mesh


def compressed(mesh: Mesh, *, data: bytes | None = None, **arrays: np.ndarray) -> GltfFile:
    """A glTF whose one primitive has its geometry in Draco alone, as exporters write it."""
    gltf = gltf_of(mesh, **{name: (values, kind) for name, (values, kind) in attributes_of(mesh, arrays).items()})
    part = gltf.header["meshes"][0]["primitives"][0]
    packed = data
    if packed is None:
        packed = DracoPy.encode(mesh.vertices, mesh.faces.astype(np.uint32), quantization_bits=20, **arrays)
    numbers = {"POSITION": 0, "TEXCOORD_0": 0, "COLOR_0": 0}
    if data is None:
        kinds = {0: "POSITION", 2: "COLOR_0", 3: "TEXCOORD_0"}
        for attribute in DracoPy.decode(packed).attributes:
            numbers[kinds[attribute["attribute_type"]]] = attribute["unique_id"]
    view = gltf.add_view(packed)
    used = {name: numbers[name] for name in part["attributes"]}
    part["extensions"] = {EXTENSION: {"bufferView": view, "attributes": used}}
    for accessor in gltf.header["accessors"]:
        accessor.pop("bufferView")
    gltf.header["extensionsRequired"] = gltf.header["extensionsUsed"] = [EXTENSION]
    return gltf


def attributes_of(mesh: Mesh, arrays: dict[str, np.ndarray]) -> dict[str, tuple[np.ndarray, str]]:
    shapes = {"tex_coord": ("TEXCOORD_0", "VEC2", np.float32), "colors": ("COLOR_0", "VEC3", np.uint8)}
    return {shapes[name][0]: (values.astype(shapes[name][2]), shapes[name][1]) for name, values in arrays.items()}


def test_draco_geometry_is_the_same_surface(tmp_path) -> None:
    mesh = sphere(0.8, subdivisions=3)
    loaded = load_mesh(save(compressed(mesh), tmp_path))
    assert len(loaded.faces) == len(mesh.faces)
    assert geometry_signature(clean_mesh(loaded)) == geometry_signature(clean_mesh(mesh))


def test_texture_coordinates_come_along(tmp_path) -> None:
    mesh = box()
    uv = np.where(mesh.vertices[:, :1] < 0, [[0.25, 0.5]], [[0.75, 0.5]])
    gltf = compressed(mesh, tex_coord=uv.astype(np.float64))
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[:, :4], pixels[:, 4:] = (250, 0, 0), (0, 0, 250)
    add_texture(gltf, pixels)
    loaded = load_mesh(save(gltf, tmp_path))
    left = loaded.vertices[:, 0] < 0
    on_left_side = np.array([left[face].all() for face in loaded.faces])
    colors = loaded.vertex_colors[loaded.faces[on_left_side]].reshape(-1, 3)
    assert len(colors) and (colors == (250, 0, 0)).all()


def test_broken_data_and_too_many_points_are_told(tmp_path) -> None:
    with pytest.raises(AssetError, match="parse_error: broken Draco data of 9 bytes"):
        load_mesh(save(compressed(box(), data=b"DRACO\0\0\0\0"), tmp_path))
    gltf = compressed(sphere(0.8, subdivisions=3))
    for accessor in gltf.header["accessors"]:
        accessor["count"] = 3  # the header says little, the data hold much
    with pytest.raises(AssetError, match=r"too_large: Draco data of [\d,]+ entries; the limit is 300"):
        load_mesh(save(gltf, tmp_path), limits=LoadLimits(max_faces=100))


def test_without_the_decoder_the_extra_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "DracoPy", None)
    with pytest.raises(AssetError, match=r"unsupported_compression: KHR_draco_mesh_compression; .*ltm3d\[draco\]"):
        load_mesh(save(compressed(box()), tmp_path))
