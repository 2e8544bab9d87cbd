"""Mesh files of any make, from hands one does not know."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltm3d.errors import AssetError, ConfigError
from ltm3d.geometry.base_color import corner_colors
from ltm3d.geometry.gltf import read_gltf
from ltm3d.geometry.gltf_file import GltfFile
from ltm3d.geometry.mesh import Mesh, concatenate
from ltm3d.geometry.references import BoundedResolver
from ltm3d.geometry.skinning import skin_to_rest_pose

SUFFIXES = (".glb", ".gltf", ".obj", ".off", ".ply", ".stl")


@dataclass(frozen=True, kw_only=True)
class LoadLimits:
    """What an asset may bring: bytes of all its files, faces with all instances, pixels of all its pictures."""

    max_bytes: int = 512 * 2**20
    max_faces: int = 2_000_000
    max_pixels: int = 2**28

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_faces", "max_pixels"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} {getattr(self, name)} is out of range; use at least 1")


def load_mesh(path: Path, *, limits: LoadLimits | None = None, root: Path | None = None) -> Mesh:
    """Read a mesh file: all parts and instances in place, skins at rest, base colours at the vertices.

    Args:
        root: the asset's own folder; files it names are read from there only. Default: the file's folder.

    Raises:
        AssetError: `parse_error`, `too_large`, `unsafe_reference`, `unsupported_compression`, `no_surface`.
    """
    limits = limits or LoadLimits()
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise AssetError("parse_error", f"suffix {suffix!r} is not read; use one of {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise AssetError("parse_error", f"the asset has no file {path.name!r}")
    size = path.stat().st_size
    if size > limits.max_bytes:
        raise AssetError("too_large", f"{size:,} bytes; the limit is {limits.max_bytes:,}")
    resolver = BoundedResolver(
        path.parent, root=root or path.parent, max_bytes=limits.max_bytes - size, max_pixels=limits.max_pixels
    )
    gltf = None
    if suffix in (".glb", ".gltf"):
        gltf = read_gltf(path, resolver=resolver, max_points=3 * limits.max_faces, max_pixels=limits.max_pixels)
    scene = _parse(path, suffix, gltf, resolver)
    resolver.raise_if_refused()
    parts = list(_place_parts(scene, gltf, limits))
    if not parts:
        raise AssetError("no_surface", "the file holds no triangles")
    return concatenate(parts)


def _parse(path: Path, suffix: str, gltf: GltfFile | None, resolver: BoundedResolver) -> Any:
    """Return the trimesh scene of a file."""
    import trimesh

    data = path.read_bytes() if gltf is None else gltf.to_glb()
    kind = suffix[1:] if gltf is None else "glb"
    try:
        return trimesh.load_scene(io.BytesIO(data), file_type=kind, resolver=resolver, process=False)
    except AssetError:
        raise
    except MemoryError as error:
        raise AssetError("out_of_memory", "while parsing") from error
    except Exception as error:  # whatever a parser makes of a broken file
        resolver.raise_if_refused()
        raise AssetError("parse_error", f"{type(error).__name__}: {str(error)[:200]}") from error


def _place_parts(scene: Any, gltf: GltfFile | None, limits: LoadLimits) -> Iterator[Mesh]:
    """Yield each instance of each part as a mesh in the scene's frame."""
    import trimesh

    instances = [
        (name, *scene.graph.get(name))
        for name in scene.graph.nodes_geometry
        if isinstance(scene.geometry[scene.graph[name][1]], trimesh.Trimesh)
    ]
    count = sum(len(scene.geometry[part].faces) for _, _, part in instances)
    if count > limits.max_faces:
        raise AssetError("too_large", f"{count:,} faces; the limit is {limits.max_faces:,}")
    prepared: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray | None]] = {}
    for name, transform, part in instances:
        geometry = scene.geometry[part]
        if not len(geometry.faces):
            continue
        if part not in prepared:
            prepared[part] = _split_by_color(geometry, is_linear=gltf is not None, max_pixels=limits.max_pixels)
        keep, faces, colors = prepared[part]
        vertices = np.asarray(geometry.vertices, np.float64)
        posed = None if gltf is None else skin_to_rest_pose(gltf, node_name=name, geometry=geometry)
        if posed is None:
            posed = vertices @ transform[:3, :3].T + transform[:3, 3]
            if np.linalg.det(transform[:3, :3]) < 0:
                faces = faces[:, ::-1]
        yield Mesh(vertices=posed[keep], faces=faces, vertex_colors=colors)


def _split_by_color(
    geometry: Any, *, is_linear: bool, max_pixels: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Give each vertex one colour, doubling vertices whose faces differ.

    Returns:
        For each new vertex the old one [N], faces over the new ones [F, 3], and colours [N, 3] or None.
    """
    faces = np.asarray(geometry.faces, np.int64)
    if faces.min() < 0 or faces.max() >= len(geometry.vertices):
        raise AssetError("parse_error", f"a face names vertex {faces.max()}; there are {len(geometry.vertices)}")
    colors = corner_colors(geometry, is_linear=is_linear, max_pixels=max_pixels)
    if colors is None:
        return np.arange(len(geometry.vertices)), faces, None
    corner_vertex, colors = faces.reshape(-1), colors.reshape(-1, 3).astype(np.int64)
    smooth = geometry.visual.kind == "texture"
    # Faces of one vertex that differ little, as within a photograph, share the mean; sharp changes stay sharp.
    coarse = colors // 64 if smooth else colors
    code = ((corner_vertex * 256 + coarse[:, 0]) * 256 + coarse[:, 1]) * 256 + coarse[:, 2]
    _, first, group = np.unique(code, return_index=True, return_inverse=True)
    group = group.reshape(-1)
    count = np.bincount(group)
    mean = np.stack([np.bincount(group, weights=colors[:, c]) / count for c in range(3)], axis=1)
    return corner_vertex[first], group.reshape(-1, 3), np.rint(mean).astype(np.uint8)
