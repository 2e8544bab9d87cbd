"""Points on surfaces, and well spread subsets of them."""

from dataclasses import dataclass

import numpy as np

from ltm3d.errors import AssetError
from ltm3d.geometry.mesh import Mesh, face_cross

GREY = 160  # colour of a mesh that has none


@dataclass(frozen=True, eq=False)
class SurfaceSamples:
    """Points on a surface: points and unit face normals float32 [S, 3], colours uint8 [S, 3], face index int64 [S]."""

    points: np.ndarray
    normals: np.ndarray
    colors: np.ndarray
    face_index: np.ndarray


def sample_surface(mesh: Mesh, count: int, rng: np.random.Generator) -> SurfaceSamples:
    """Draw points uniformly by area, one from each of `count` equal strata of the running area.

    The order follows the faces: shuffle before taking a slice.

    Raises:
        AssetError: `no_surface` where the mesh has no area.
    """
    cross = face_cross(mesh)
    length = np.linalg.norm(cross, axis=1)
    total = float(length.sum())
    if not np.isfinite(total) or total <= 0:
        raise AssetError("no_surface", f"{len(mesh.faces)} faces with a total area of {total / 2:g}")
    running = np.cumsum(length)
    strata = (np.arange(count) + rng.random(count)) * (running[-1] / count)  # sorted
    face_index = np.minimum(np.searchsorted(running, strata, side="right"), len(length) - 1)
    root, v = np.sqrt(rng.random(count, dtype=np.float32)), rng.random(count, dtype=np.float32)
    weights = np.stack([1 - root, root * (1 - v), root * v], axis=1)  # barycentric [S, 3]
    faces = mesh.faces[face_index]
    points = np.einsum("sc,scx->sx", weights, mesh.vertices[faces])
    normals = cross[face_index] / np.maximum(length[face_index], 1e-30)[:, None]
    return SurfaceSamples(
        points=points.astype(np.float32),
        normals=normals.astype(np.float32),
        colors=surface_colors(mesh, face_index, weights),
        face_index=face_index,
    )


def surface_colors(mesh: Mesh, faces: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the colours at places on a mesh, uint8 sRGB [S, 3]; grey without colours.

    Args:
        faces: face of each place [S].
        weights: barycentric, of the face's corners [S, 3].
    """
    if mesh.vertex_colors is None:
        return np.full((len(faces), 3), GREY, np.uint8)
    colors = np.einsum("sc,scx->sx", weights, mesh.vertex_colors[mesh.faces[faces]].astype(np.float32))
    if mesh.face_colors is not None:
        which, texels, shares = mesh.face_colors.look_up(faces, weights)
        colors[which] = np.einsum("kc,kcx->kx", shares, texels.astype(np.float32))
    return np.clip(np.rint(colors), 0, 255).astype(np.uint8)


def farthest_points(points: np.ndarray, count: int, start: int = 0) -> np.ndarray:
    """Return indices [count] of points [N, 3], each the farthest from those before it, from index `start` on.

    The first n of them are the n farthest, for any n.
    """
    import fpsample

    if not 1 <= count <= len(points):
        raise ValueError(f"count {count} is out of range; the set has {len(points)} points")
    return fpsample.fps_sampling(np.ascontiguousarray(points, np.float32), count, start_idx=start).astype(np.int64)
