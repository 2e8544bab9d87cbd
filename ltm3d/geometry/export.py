"""Meshes as files: GLB, OBJ, PLY."""

from pathlib import Path

import numpy as np

from ltm3d.geometry.mesh import Mesh

SUFFIXES = (".glb", ".obj", ".ply")


def mesh_bytes(mesh: Mesh, suffix: str) -> bytes:
    """Return the mesh as a file's bytes; vertex colours go along. GLB: y up, as glTF asks."""
    import trimesh

    if suffix not in SUFFIXES:
        raise ValueError(f"file suffix {suffix!r} is unknown; use one of {', '.join(SUFFIXES)}")
    colors = None
    if mesh.vertex_colors is not None:
        alpha = np.full((len(mesh.vertices), 1), 255, np.uint8)
        colors = np.concatenate([mesh.vertex_colors, alpha], axis=1)
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_colors=colors, process=False)
    data = solid.export(file_type=suffix[1:])
    return data.encode() if isinstance(data, str) else bytes(data)


def mesh_to_glb(mesh: Mesh) -> bytes:
    """Return the mesh as one binary glTF file."""
    return mesh_bytes(mesh, ".glb")


def write_mesh(mesh: Mesh, path: Path) -> None:
    """Write a mesh in the format of the path's suffix."""
    path.write_bytes(mesh_bytes(mesh, path.suffix.lower()))
