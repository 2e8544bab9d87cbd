import io

import numpy as np
import pytest
from gltf_scenes import add_texture, gltf_of, png, save
from PIL import Image
from shapes import box

from ltm3d.errors import AssetError
from ltm3d.geometry.mesh import Mesh
from ltm3d.mesh_io.gltf_file import GltfFile
from ltm3d.mesh_io.loading import LoadedAsset, LoadLimits, load_asset

SQUARE = Mesh(np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32), np.array([[0, 1, 2], [0, 2, 3]]))


def read(gltf: GltfFile, folder, **limits: int) -> LoadedAsset:
    return load_asset(save(gltf, folder), limits=LoadLimits(**{"max_faces": 10_000, "max_pixels": 10_000, **limits}))


def primitive(gltf: GltfFile) -> dict:
    return gltf.header["meshes"][0]["primitives"][0]


def test_texture_transform_moves_the_coordinates(tmp_path) -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[1, 2] = 255
    gltf = gltf_of(SQUARE, TEXCOORD_1=(np.zeros((4, 2), np.float32), "VEC2"))
    # KHR_texture_transform: offset · rotation · scale, with rotation [[cos, sin], [-sin, cos]]
    uv = np.array([0.5, 0.25], np.float32)
    primitive(gltf)["attributes"]["TEXCOORD_1"] = gltf.add_accessor(np.tile(uv, (4, 1)), "VEC2")
    transform = {"scale": [0.5, 1], "rotation": np.pi / 2, "offset": [0.375, 0.625], "texCoord": 1}
    add_texture(gltf, pixels, extensions={"KHR_texture_transform": transform})
    # (0.25, 0.25) → (0.25, -0.25) → (0.625, 0.375): column 2, row 1
    assert (read(gltf, tmp_path).mesh.vertex_colors == 255).all()


def test_only_pictures_that_are_used_count(tmp_path) -> None:
    gltf = gltf_of(SQUARE, TEXCOORD_0=(np.full((4, 2), 0.5, np.float32), "VEC2"))
    add_texture(gltf, np.full((100, 100, 3), (200, 30, 30), np.uint8))
    view = gltf.add_view(png(np.zeros((100, 100, 3), np.uint8)))
    gltf.header["images"] += [{"bufferView": view} for _ in range(5)]
    gltf.header["textures"] += [{"source": number} for number in range(1, 6)]
    gltf.header["materials"] += [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 1}}}]  # no primitive has it
    gltf.header["materials"][0]["normalTexture"] = {"index": 2}
    asset = read(gltf, tmp_path, max_pixels=10_000)
    assert (asset.mesh.vertex_colors == (200, 30, 30)).all() and not asset.notes


@pytest.mark.parametrize("kind", ["WEBP", "AVIF"])
def test_pictures_of_newer_kinds_are_read(tmp_path, kind: str) -> None:
    data = io.BytesIO()
    Image.new("RGB", (16, 16), (200, 20, 20)).save(data, kind)
    gltf = gltf_of(SQUARE, TEXCOORD_0=(np.full((4, 2), 0.5, np.float32), "VEC2"))
    add_texture(gltf, np.zeros((2, 2, 3), np.uint8))
    gltf.header["images"].append({"bufferView": gltf.add_view(data.getvalue())})
    extension = f"EXT_texture_{kind.lower()}"
    gltf.header["textures"] = [{"extensions": {extension: {"source": 1}}}]
    gltf.header["extensionsRequired"] = [extension]
    assert np.abs(read(gltf, tmp_path).mesh.vertex_colors.astype(int) - (200, 20, 20)).max() <= 3


@pytest.mark.parametrize(
    ("picture", "note"),
    [
        ({"uri": "../outside.png"}, "lies outside"),
        ({"uri": "file:///etc/passwd"}, "absolute or a URL"),
        ({"uri": "https://example.org/a.png"}, "absolute or a URL"),
        ({"uri": "missing.png"}, "not there"),
        ({"uri": "data:image/png;base64,AAAA"}, "no picture"),
        ({}, "no picture"),
    ],
)
def test_a_picture_that_cannot_or_may_not_be_read_costs_the_colour(tmp_path, picture: dict, note: str) -> None:
    (tmp_path / "outside.png").write_bytes(png(np.zeros((2, 2, 3), np.uint8)))
    folder = tmp_path / "asset"
    folder.mkdir()
    gltf = gltf_of(box(), TEXCOORD_0=(np.zeros((8, 2), np.float32), "VEC2"))
    add_texture(gltf, np.zeros((2, 2, 3), np.uint8))
    gltf.header["materials"][0]["pbrMetallicRoughness"]["baseColorFactor"] = [0, 1, 0, 1]
    gltf.header["images"] = [picture]
    asset = read(gltf, folder)
    assert (asset.mesh.vertex_colors == (0, 255, 0)).all()
    assert len(asset.notes) == 1 and note in asset.notes[0]


def test_pictures_beyond_the_limit_cost_the_colour(tmp_path) -> None:
    gltf = gltf_of(box(), TEXCOORD_0=(np.zeros((8, 2), np.float32), "VEC2"))
    add_texture(gltf, np.zeros((200, 60, 3), np.uint8))
    assert not read(gltf, tmp_path, max_pixels=12_000).notes
    assert "12,000 pixels" in read(gltf, tmp_path, max_pixels=11_999).notes[0]


def leaf(mode: str, alpha: tuple[int, int] = (0, 255)) -> GltfFile:
    """A square of four columns of faces under a picture whose left half has another alpha than its right half."""
    x, y = np.meshgrid(np.linspace(0, 1, 5), [0, 1], indexing="ij")
    vertices = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], axis=1).astype(np.float32)
    faces = np.array(
        [[2 * c, 2 * c + 2, 2 * c + 1] for c in range(4)] + [[2 * c + 1, 2 * c + 2, 2 * c + 3] for c in range(4)]
    )
    gltf = gltf_of(Mesh(vertices, faces), TEXCOORD_0=(vertices[:, :2].copy(), "VEC2"))
    pixels = np.full((8, 8, 4), (40, 160, 40, alpha[1]), np.uint8)
    pixels[:, :4, 3] = alpha[0]
    add_texture(gltf, pixels)
    gltf.header["materials"][0] |= {"alphaMode": mode, "name": "leaf"}
    return gltf


def test_what_a_mask_or_alpha_0_hides_is_not_there(tmp_path) -> None:
    assert len(read(leaf("OPAQUE"), tmp_path).mesh.faces) == 8
    masked = read(leaf("MASK"), tmp_path)
    assert len(masked.mesh.faces) == 4 and np.ptp(masked.mesh.vertices, axis=0)[0] == pytest.approx(0.5)
    assert not masked.notes
    blended = read(leaf("BLEND"), tmp_path)
    assert len(blended.mesh.faces) == 4 and "'leaf' is transparent (BLEND)" in blended.notes[0]
    assert len(read(leaf("BLEND", alpha=(100, 255)), tmp_path).mesh.faces) == 8
    low = leaf("MASK", alpha=(100, 255))
    assert len(read(low, tmp_path).mesh.faces) == 4
    low.header["materials"][0]["alphaCutoff"] = 0.3
    assert len(read(low, tmp_path).mesh.faces) == 8
    low.header["materials"][0]["pbrMetallicRoughness"]["baseColorFactor"] = [1, 1, 1, 0.2]
    with pytest.raises(AssetError, match=r"no_surface: all faces are invisible"):
        read(low, tmp_path)


def test_what_glows_shows_where_its_base_is_black(tmp_path) -> None:
    gltf = gltf_of(SQUARE, TEXCOORD_0=(np.full((4, 2), 0.5, np.float32), "VEC2"))
    add_texture(gltf, np.full((4, 4, 3), (250, 120, 10), np.uint8))
    material = gltf.header["materials"][0]
    info = material["pbrMetallicRoughness"].pop("baseColorTexture")
    material["pbrMetallicRoughness"]["baseColorFactor"] = [0, 0, 0, 1]
    material |= {"emissiveFactor": [1, 1, 1], "emissiveTexture": info}
    assert np.abs(read(gltf, tmp_path).mesh.vertex_colors.astype(int) - (250, 120, 10)).max() <= 1
    del material["emissiveTexture"]
    material["emissiveFactor"] = [0, 1, 0]
    assert (read(gltf, tmp_path).mesh.vertex_colors == (0, 255, 0)).all()
    material["pbrMetallicRoughness"]["baseColorFactor"] = [1, 0, 0, 1]
    assert (read(gltf, tmp_path).mesh.vertex_colors == (255, 0, 0)).all()
