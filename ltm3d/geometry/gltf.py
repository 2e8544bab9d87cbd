"""glTF files before trimesh sees them: checked, and cut down to what a coloured mesh needs."""

import binascii
import contextlib
from pathlib import Path
from typing import Any

import numpy as np

from ltm3d.errors import AssetError
from ltm3d.geometry import draco
from ltm3d.geometry.gltf_file import GltfFile, read_container, uri_bytes
from ltm3d.geometry.references import BoundedResolver, count_pixels

_UNREADABLE = ("EXT_meshopt_compression", "KHR_meshopt_compression")  # no kept decoder for Python
_BROKEN = (KeyError, IndexError, TypeError, ValueError, AttributeError, binascii.Error, FileNotFoundError)
_TRIANGLES, _STRIP, _FAN = 4, 5, 6


def read_gltf(path: Path, *, resolver: BoundedResolver, max_points: int, max_pixels: int) -> GltfFile:
    """Read and check a .glb or .gltf file, and rewrite it in plain terms.

    Nodes are called `node<i>`, meshes `mesh<i>`. Materials hold their base colour only. Sparse, normalised and
    transformed coordinates are written out. Joints and weights of skins become `_JOINTS_0` and `_WEIGHTS_0`, which
    trimesh keeps. Pictures are inside the buffers.

    Args:
        max_points: limit of the entries of one accessor.
        max_pixels: limit of all pictures together.

    Raises:
        AssetError: `parse_error`, `unsupported_compression`, `unsafe_reference`, `too_large`.
    """
    try:
        gltf = read_container(path, resolver=resolver, max_points=max_points)
        required = set(gltf.header.get("extensionsRequired", ()))
        if required.intersection(_UNREADABLE):
            raise AssetError("unsupported_compression", ", ".join(sorted(required.intersection(_UNREADABLE))))
        if draco.EXTENSION in required:
            draco.unpack_draco(gltf, max_points=max_points)
        _cut_down(gltf)
        _embed_images(gltf, resolver, max_pixels)
    except _BROKEN as error:
        raise AssetError("parse_error", f"broken glTF: {type(error).__name__}: {error}") from error
    return gltf


def _cut_down(gltf: GltfFile) -> None:
    """Keep geometry, nodes, skins and base colours, under names that can be told apart."""
    old = gltf.header
    materials = [_base_color(material) for material in old.get("materials", [])]
    cut: dict[str, Any] = {key: old.get(key, []) for key in ("accessors", "bufferViews", "skins")}
    cut["asset"] = {"version": "2.0"}
    gltf.header = cut  # the accessors that are added below go in here
    nodes = old.get("nodes", [])
    _refuse_cycles([node.get("children", ()) for node in nodes])
    cut["scenes"] = [{"nodes": scene.get("nodes", [])} for scene in old.get("scenes", [])]
    cut["scene"] = old.get("scene", 0)
    if not cut["scenes"]:  # every node that no other one holds
        children = {child for node in nodes for child in node.get("children", ())}
        cut["scenes"] = [{"nodes": [index for index in range(len(nodes)) if index not in children]}]
    cut["images"] = [dict(image) for image in old.get("images", [])]
    cut["textures"] = [_texture(texture) for texture in old.get("textures", [])]
    kept = ("children", "mesh", "skin", "matrix", "translation", "rotation", "scale")
    cut["nodes"] = [
        {key: node[key] for key in kept if key in node} | {"name": f"node{index}"} for index, node in enumerate(nodes)
    ]
    cut["meshes"] = [
        {
            "name": f"mesh{index}",
            "primitives": [
                _primitive(gltf, part, materials)
                for part in mesh["primitives"]
                if part.get("mode", _TRIANGLES) >= _TRIANGLES  # no points, no lines
            ],
        }
        for index, mesh in enumerate(old.get("meshes", []))
    ]
    for material in materials:
        material["pbrMetallicRoughness"].get("baseColorTexture", {}).pop("extensions", None)
    cut["materials"] = materials


def _refuse_cycles(children: list[Any]) -> None:
    """Refuse a node that is below itself: leaves are taken away until none is left, or only cycles."""
    parents: list[list[int]] = [[] for _ in children]
    for parent, below in enumerate(children):
        for child in below:
            parents[child].append(parent)
    num_open = [len(below) for below in children]
    leaves = [node for node, count in enumerate(num_open) if not count]
    for leaf in leaves:  # grows while it is gone through
        for parent in parents[leaf]:
            num_open[parent] -= 1
            if not num_open[parent]:
                leaves.append(parent)
    if len(leaves) < len(children):
        raise ValueError(f"{len(children) - len(leaves)} nodes hold each other in a circle")


def _texture(texture: dict[str, Any]) -> dict[str, Any]:
    webp = texture.get("extensions", {}).get("EXT_texture_webp", {})
    source = webp.get("source", texture.get("source"))
    return {} if source is None else {"source": source}


def _base_color(material: dict[str, Any]) -> dict[str, Any]:
    """Keep base colour factor and texture; of the older specular-glossiness model, the diffuse ones."""
    metallic = material.get("pbrMetallicRoughness", {})
    factor, texture = metallic.get("baseColorFactor"), metallic.get("baseColorTexture")
    glossy = material.get("extensions", {}).get("KHR_materials_pbrSpecularGlossiness")
    if glossy is not None:
        factor, texture = glossy.get("diffuseFactor", factor), glossy.get("diffuseTexture", texture)
    base: dict[str, Any] = {}
    if factor is not None:
        base["baseColorFactor"] = factor
    if texture is not None:
        base["baseColorTexture"] = dict(texture)
    return {"pbrMetallicRoughness": base}


def _primitive(gltf: GltfFile, part: dict[str, Any], materials: list[dict[str, Any]]) -> dict[str, Any]:
    if part.get("mode", _TRIANGLES) not in (_TRIANGLES, _STRIP):
        raise AssetError("parse_error", f"primitives of mode {part['mode']} (triangle fans) are not read")
    attributes: dict[str, int] = part["attributes"]
    renamed = {"POSITION": "POSITION", "COLOR_0": "COLOR_0", "JOINTS_0": "_JOINTS_0", "WEIGHTS_0": "_WEIGHTS_0"}
    kept = {renamed[name]: _plain(gltf, index) for name, index in attributes.items() if name in renamed}
    if "material" in part:
        texture = materials[part["material"]]["pbrMetallicRoughness"].get("baseColorTexture", {})
        transform = texture.get("extensions", {}).get("KHR_texture_transform", {})
        name = f"TEXCOORD_{transform.get('texCoord', texture.get('texCoord', 0))}"
        if name in attributes:
            kept["TEXCOORD_0"] = _place_texture(gltf, _plain(gltf, attributes[name]), transform)
    cut: dict[str, Any] = {key: part[key] for key in ("mode", "material") if key in part}
    if "indices" in part:
        cut["indices"] = _plain(gltf, part["indices"])
    return {**cut, "attributes": kept}


def _plain(gltf: GltfFile, accessor: int) -> int:
    """Return an accessor of the same values that is neither sparse nor normalised."""
    entry = gltf.header["accessors"][accessor]
    if "sparse" not in entry and not entry.get("normalized"):
        return accessor
    return gltf.add_accessor(gltf.read_accessor(accessor), entry["type"])


def _place_texture(gltf: GltfFile, accessor: int, transform: dict[str, Any]) -> int:
    """Apply KHR_texture_transform to texture coordinates: scale, then rotation, then offset."""
    if not transform:
        return accessor
    angle = transform.get("rotation", 0.0)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    scaled = gltf.read_accessor(accessor) * np.asarray(transform.get("scale", (1, 1)), np.float64)
    moved = scaled @ turn.T + np.asarray(transform.get("offset", (0, 0)), np.float64)
    return gltf.add_accessor(moved.astype(np.float32), "VEC2")


def _embed_images(gltf: GltfFile, resolver: BoundedResolver, max_pixels: int) -> None:
    """Bring the pictures that are used into the buffers, and empty the others and the unreadable ones."""
    header = gltf.header
    used = {texture.get("source") for texture in header["textures"]}
    pixels = 0
    for index, image in enumerate(header["images"]):
        data = b""
        if index in used and "bufferView" in image:
            data = gltf.view_bytes(image["bufferView"])
        elif index in used and "uri" in image:
            with contextlib.suppress(FileNotFoundError):  # the factor alone then colours the part
                data = uri_bytes(image["uri"], resolver)
        count = count_pixels(data)
        pixels += count
        if pixels > max_pixels:
            raise AssetError("too_large", f"pictures of {pixels:,} pixels; the limit is {max_pixels:,}")
        header["images"][index] = {"bufferView": gltf.add_view(data if count else b"")}
