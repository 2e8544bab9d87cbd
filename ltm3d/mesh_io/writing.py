"""Meshes as files: GLB, OBJ, PLY, STL."""

from pathlib import Path
from typing import Any

import numpy as np

from ltm3d.geometry.base_color import srgb_to_linear
from ltm3d.geometry.mesh import Mesh
from ltm3d.mesh_io.gltf_file import GltfFile

SUFFIXES = (".glb", ".obj", ".ply", ".stl")


def mesh_bytes(mesh: Mesh, suffix: str) -> bytes:
    """Return the mesh as a file's bytes, the same for the same mesh; with vertex colours, which STL cannot hold."""
    import trimesh

    if suffix not in SUFFIXES:
        raise ValueError(f"file suffix {suffix!r} is unknown; use one of {', '.join(SUFFIXES)}")
    if suffix == ".glb":
        return mesh_to_glb(mesh)
    colors = None
    if mesh.vertex_colors is not None:
        alpha = np.full((len(mesh.vertices), 1), 255, np.uint8)
        colors = np.concatenate([mesh.vertex_colors, alpha], axis=1)
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_colors=colors, process=False)
    data = solid.export(file_type=suffix[1:])
    return data.encode() if isinstance(data, str) else bytes(data)


def mesh_to_glb(mesh: Mesh) -> bytes:
    """Return the mesh as one binary glTF file.

    Colours are written in linear light with 16 bits, as glTF asks, on a matt two-sided material: glTF's default one is
    metal, and viewers draw it nearly black.
    """
    gltf = GltfFile({"asset": {"version": "2.0", "generator": "ltm3d"}, "accessors": []}, [])
    attributes = {"POSITION": gltf.add_accessor(mesh.vertices, "VEC3")}
    bounds = {"min": mesh.vertices.min(axis=0).tolist(), "max": mesh.vertices.max(axis=0).tolist()}
    gltf.header["accessors"][0].update(bounds)
    if mesh.vertex_colors is not None:
        light = np.ones((len(mesh.vertices), 4), np.float32)
        light[:, :3] = srgb_to_linear(mesh.vertex_colors)
        attributes["COLOR_0"] = gltf.add_accessor(np.rint(light * 65535).astype(np.uint16), "VEC4")
        gltf.header["accessors"][-1]["normalized"] = True
    indices = gltf.add_accessor(mesh.faces.reshape(-1, 1).astype(np.uint32), "SCALAR")
    primitive: dict[str, Any] = {"attributes": attributes, "indices": indices, "material": 0}
    gltf.header["materials"] = [
        {"pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.9}, "doubleSided": True}
    ]
    gltf.header["meshes"] = [{"primitives": [primitive]}]
    gltf.header["nodes"] = [{"mesh": 0}]
    gltf.header["scenes"] = [{"nodes": [0]}]
    gltf.header["scene"] = 0
    return gltf.to_glb()


def write_mesh(mesh: Mesh, path: Path) -> None:
    """Write a mesh in the format of the path's suffix."""
    path.write_bytes(mesh_bytes(mesh, path.suffix.lower()))
