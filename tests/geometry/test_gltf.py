import numpy as np
import pytest
from gltf_scenes import add_texture, gltf_of, save
from shapes import box

from ltm3d.errors import AssetError
from ltm3d.geometry.gltf import read_gltf
from ltm3d.geometry.gltf_file import GltfFile
from ltm3d.geometry.references import BoundedResolver


def read(path, max_pixels: int = 10_000) -> GltfFile:
    files = BoundedResolver(path.parent, root=path.parent, max_bytes=10**6, max_pixels=max_pixels)
    return read_gltf(path, resolver=files, max_points=10_000, max_pixels=max_pixels)


@pytest.mark.parametrize("name", ["EXT_meshopt_compression", "KHR_meshopt_compression"])
def test_compression_without_a_fallback_is_named(tmp_path, name: str) -> None:
    gltf = gltf_of(box())
    gltf.header["extensionsUsed"] = [name]
    assert read(save(gltf, tmp_path)).header["meshes"]  # used but not required: plain data is there too
    gltf.header["extensionsRequired"] = [name]
    with pytest.raises(AssetError, match=name) as caught:
        read(save(gltf, tmp_path))
    assert caught.value.reason == "unsupported_compression"


def test_only_geometry_and_base_colour_are_left(tmp_path) -> None:
    gltf = gltf_of(box())
    gltf.header["animations"] = [{"channels": "broken"}]
    gltf.header["cameras"] = [{"type": "perspective"}]
    gltf.header["nodes"][0] |= {"camera": 0, "extras": {"a": 1}, "name": "same"}
    gltf.header["materials"] = [
        {
            "normalTexture": {"index": 99},
            "extensions": {
                "KHR_materials_pbrSpecularGlossiness": {"diffuseFactor": [1, 0, 0, 1], "glossinessFactor": 1}
            },
        }
    ]
    gltf.header["meshes"][0]["primitives"][0] |= {"material": 0, "targets": [{"POSITION": 77}]}
    header = read(save(gltf, tmp_path)).header
    assert "animations" not in header and "cameras" not in header
    assert header["nodes"] == [{"mesh": 0, "name": "node0"}]
    assert header["materials"] == [{"pbrMetallicRoughness": {"baseColorFactor": [1, 0, 0, 1]}}]
    assert set(header["meshes"][0]["primitives"][0]) == {"attributes", "indices", "material"}


def test_a_file_without_scenes_shows_every_root(tmp_path) -> None:
    gltf = gltf_of(box())
    gltf.header["nodes"] = [{"mesh": 0}, {"children": [0]}, {"mesh": 0}]
    del gltf.header["scenes"], gltf.header["scene"]
    assert read(save(gltf, tmp_path)).header["scenes"] == [{"nodes": [1, 2]}]


def test_points_and_lines_are_left_out_and_fans_are_refused(tmp_path) -> None:
    gltf = gltf_of(box())
    part = gltf.header["meshes"][0]["primitives"][0]
    gltf.header["meshes"][0]["primitives"] = [{**part, "mode": 0}, {**part, "mode": 1}, part]
    assert len(read(save(gltf, tmp_path)).header["meshes"][0]["primitives"]) == 1
    gltf.header["meshes"][0]["primitives"] = [{**part, "mode": 6}]
    with pytest.raises(AssetError, match="triangle fans"):
        read(save(gltf, tmp_path))


def test_texture_transform_is_written_into_the_coordinates(tmp_path) -> None:
    uv = np.array([[0, 0], [1, 0], [0, 1]] + [[0.5, 0.5]] * 5, np.float32)
    gltf = gltf_of(box(), TEXCOORD_1=(uv, "VEC2"))
    transform = {"offset": [0.5, 0.25], "scale": [2, 1], "rotation": np.pi / 2, "texCoord": 1}
    add_texture(gltf, np.zeros((2, 2, 3), np.uint8), extensions={"KHR_texture_transform": transform})
    done = read(save(gltf, tmp_path))
    placed = done.read_accessor(done.header["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_0"])
    # KHR_texture_transform: offset · rotation · scale, with rotation [[cos, sin], [-sin, cos]]
    assert placed[:3] == pytest.approx(np.array([[0.5, 0.25], [0.5, -1.75], [1.5, 0.25]]), abs=1e-6)


def test_pictures_are_bounded_before_they_are_decoded(tmp_path) -> None:
    gltf = gltf_of(box(), TEXCOORD_0=(np.zeros((8, 2), np.float32), "VEC2"))
    add_texture(gltf, np.zeros((200, 60, 3), np.uint8))
    path = save(gltf, tmp_path)
    assert read(path, max_pixels=12_000)
    with pytest.raises(AssetError, match=r"too_large: pictures of 12,000"):
        read(path, max_pixels=11_999)


@pytest.mark.parametrize("uri", ["../outside.png", "file:///etc/passwd", "https://example.org/a.png", "/etc/passwd"])
def test_pictures_and_buffers_outside_the_folder_are_refused(tmp_path, uri: str) -> None:
    (tmp_path / "outside.png").write_bytes(b"x")
    folder = tmp_path / "asset"
    folder.mkdir()
    gltf = gltf_of(box(), TEXCOORD_0=(np.zeros((8, 2), np.float32), "VEC2"))
    add_texture(gltf, np.zeros((2, 2, 3), np.uint8))
    gltf.header["images"] = [{"uri": uri}]
    with pytest.raises(AssetError, match="unsafe_reference"):
        read(save(gltf, folder))
    gltf.header["images"] = [{"uri": "missing.png"}]
    assert read(save(gltf, folder)).header["meshes"]  # a missing picture costs the colour only


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header["meshes"][0]["primitives"][0]["attributes"].update(POSITION="zero"),
        lambda header: header["meshes"][0]["primitives"][0].pop("attributes"),
        lambda header: header.update(materials=5),
        lambda header: header["accessors"][0].update(componentType=1),
    ],
)
def test_broken_headers_are_parse_errors(tmp_path, change) -> None:
    gltf = gltf_of(box())
    change(gltf.header)
    with pytest.raises(AssetError, match="parse_error"):
        read(save(gltf, tmp_path))
