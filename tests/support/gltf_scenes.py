"""Small glTF assets, made by hand."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ltm3d.geometry.mesh import Mesh
from ltm3d.mesh_io.gltf_file import GltfFile


def gltf_of(mesh: Mesh, **attributes: tuple[np.ndarray, str]) -> GltfFile:
    """One node with one mesh; attributes such as `TEXCOORD_0` are pairs of values and accessor type."""
    gltf = GltfFile({"asset": {"version": "2.0"}, "accessors": [], "scene": 0}, [])
    places = {"POSITION": gltf.add_accessor(mesh.vertices, "VEC3")}
    for name, (values, kind) in attributes.items():
        places[name] = gltf.add_accessor(values, kind)
    indices = gltf.add_accessor(mesh.faces.reshape(-1, 1).astype(np.uint32), "SCALAR")
    gltf.header["meshes"] = [{"primitives": [{"attributes": places, "indices": indices}]}]
    gltf.header["nodes"] = [{"mesh": 0}]
    gltf.header["scenes"] = [{"nodes": [0]}]
    return gltf


def add_texture(gltf: GltfFile, pixels: np.ndarray, **texture: Any) -> None:
    """Give the first primitive a material with this picture, uint8 [H, W, 3 or 4]."""
    gltf.header["images"] = [{"bufferView": gltf.add_view(png(pixels)), "mimeType": "image/png"}]
    gltf.header["textures"] = [{"source": 0}]
    gltf.header["materials"] = [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0, **texture}}}]
    gltf.header["meshes"][0]["primitives"][0]["material"] = 0


def png(pixels: np.ndarray) -> bytes:
    """Encode a picture, uint8 [H, W, 3 or 4]."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def save(gltf: GltfFile, folder: Path, name: str = "model.glb") -> Path:
    """Write the asset as a GLB."""
    path = folder / name
    path.write_bytes(gltf.to_glb())
    return path
