"""Mesh files of any make, from hands one does not know."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ltm3d.errors import AssetError, ConfigError
from ltm3d.geometry.base_color import corner_colors
from ltm3d.geometry.masked_faces import FINEST, cut_hidden
from ltm3d.geometry.mesh import Mesh, concatenate
from ltm3d.geometry.parts import Part, drop_degenerate
from ltm3d.geometry.texture_baking import bake_textures
from ltm3d.mesh_io.gltf import read_gltf
from ltm3d.mesh_io.obj import read_obj
from ltm3d.mesh_io.off import read_off
from ltm3d.mesh_io.ply import read_ply
from ltm3d.mesh_io.references import BoundedResolver
from ltm3d.mesh_io.stl import read_stl

_READERS = {".obj": read_obj, ".off": read_off, ".ply": read_ply, ".stl": read_stl}
_MAX_COORDINATE = 1e37  # float32 ends a little above
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


@dataclass(frozen=True, eq=False, kw_only=True)
class LoadedAsset:
    """A mesh file as read.

    Attributes:
        mesh: with its bounding box's centre at 0. It was moved in float64, so small things far off keep their form.
        origin: that centre in the file's frame, float64 [3].
        notes: what is lost or was taken otherwise, for people: pictures that are not there, wrong counts.
    """

    mesh: Mesh
    origin: np.ndarray
    notes: tuple[str, ...]


def load_mesh(path: Path, *, limits: LoadLimits | None = None, root: Path | None = None) -> Mesh:
    """Read a mesh file as `load_asset` does, in the file's own frame: float32, so far from its origin it is coarse."""
    return _read_checked(path, limits or LoadLimits(), root, centred=False).mesh


def load_asset(path: Path, *, limits: LoadLimits | None = None, root: Path | None = None) -> LoadedAsset:
    """Read a mesh file: all parts and instances in place, skins at rest, base colours at the vertices,
    and within faces where a texture shows more.

    Faces that are a line or a point, faces that alpha makes invisible, and vertices that no other face uses, are left
    out.

    Args:
        root: the asset's own folder; files it names are read from there only. Default: the file's folder.

    Raises:
        AssetError: `parse_error`, `too_large`, `unsafe_reference`, `unsupported_compression`, `unsupported_extension`,
            `no_surface`, `non_finite`, `out_of_memory`.
    """
    return _read_checked(path, limits or LoadLimits(), root, centred=True)


def _read_checked(path: Path, limits: LoadLimits, root: Path | None, *, centred: bool) -> LoadedAsset:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise AssetError("parse_error", f"suffix {suffix!r} is not read; use one of {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise AssetError("parse_error", f"the asset has no file {path.name!r}")
    size = path.stat().st_size
    if size > limits.max_bytes:
        raise AssetError("too_large", f"{size:,} bytes; the limit is {limits.max_bytes:,}")
    files = BoundedResolver(
        path.parent, root=root or path.parent, max_bytes=limits.max_bytes - size, max_pixels=limits.max_pixels
    )
    try:
        parts = _read(path, suffix, files, limits)
        mesh, origin = _join(parts, centred=centred)
    except AssetError:
        raise
    except MemoryError as error:
        raise AssetError("out_of_memory", "while parsing") from error
    except FileNotFoundError as error:
        raise AssetError("parse_error", f"the asset has no file {str(error)[:200]!r}") from error
    except Exception as error:  # whatever a broken file makes of a reader
        raise AssetError("parse_error", f"broken {suffix[1:]}: {type(error).__name__}: {str(error)[:200]}") from error
    return LoadedAsset(mesh=mesh, origin=origin, notes=tuple(files.notes))


def _read(path: Path, suffix: str, files: BoundedResolver, limits: LoadLimits) -> list[Part]:
    if suffix in (".glb", ".gltf"):
        return read_gltf(path, files, max_faces=limits.max_faces)
    parts = _READERS[suffix](path.read_bytes(), files)
    count = sum(len(part.faces) for part in parts)
    if count > limits.max_faces:
        raise AssetError("too_large", f"{count:,} faces; the limit is {limits.max_faces:,}")
    return parts


def _join(parts: list[Part], *, centred: bool) -> tuple[Mesh, np.ndarray]:
    """Return all parts as one mesh, and where its 0 lies in the file's frame: in the file's own 0, or in the centre."""
    if not any(len(part.faces) for part in parts):
        raise AssetError("no_surface", "the file holds no triangles")
    parts = [part for part in (drop_degenerate(part) for part in parts) if len(part.faces)]
    if not parts:
        raise AssetError("no_surface", "no face has an area")
    low, high = _bounds(parts)
    parts = [cut_hidden(part, smallest=FINEST * float(np.max(high - low))) for part in parts]
    parts = [part for part in parts if len(part.faces)]
    if not parts:
        raise AssetError("no_surface", "all faces are invisible: alpha is 0, or below the material's cutoff")
    low, high = _bounds(parts)
    if not np.isfinite([low, high]).all() or max(np.abs(low).max(), np.abs(high).max()) > _MAX_COORDINATE:
        raise AssetError("non_finite", f"NaN, infinite coordinates or such beyond {_MAX_COORDINATE:g}")
    origin = (low + high) / 2 if centred else np.zeros(3)
    meshes = [_colored(part, origin) for part in parts]
    inner = bake_textures(parts, meshes)
    return concatenate([replace(mesh, face_colors=own) for mesh, own in zip(meshes, inner, strict=True)]), origin


def _bounds(parts: list[Part]) -> tuple[np.ndarray, np.ndarray]:
    low = np.min([part.vertices.min(axis=0) for part in parts], axis=0)
    return low, np.max([part.vertices.max(axis=0) for part in parts], axis=0)


def _colored(part: Part, origin: np.ndarray) -> Mesh:
    """Give each vertex one colour, doubling vertices whose faces differ."""
    vertices, colors = part.vertices - origin, corner_colors(part)
    if colors is None:
        return Mesh(vertices, part.faces)
    corner_vertex, colors = part.faces.reshape(-1), colors.reshape(-1, 3).astype(np.int64)
    # Faces of one vertex that differ little, as within a photograph, share the mean; sharp changes stay sharp.
    coarse = colors // 64 if part.material.texture is not None else colors
    code = ((corner_vertex * 256 + coarse[:, 0]) * 256 + coarse[:, 1]) * 256 + coarse[:, 2]
    _, first, group = np.unique(code, return_index=True, return_inverse=True)
    group = group.reshape(-1)
    count = np.bincount(group)
    mean = np.stack([np.bincount(group, weights=colors[:, c]) / count for c in range(3)], axis=1)
    return Mesh(vertices[corner_vertex[first]], group.reshape(-1, 3), np.rint(mean).astype(np.uint8))
