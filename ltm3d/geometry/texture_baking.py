"""Textures → colours within faces, as fine as the picture, the object's size and a budget allow."""

import numpy as np

from ltm3d.geometry.base_color import colors_within
from ltm3d.geometry.face_colors import MAX_LEVEL, FaceColors, num_texels, texel_places
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.parts import Part

MAX_TEXELS = 2**17  # of an asset: 384 KiB
_GRAIN = 512  # intervals along the longest side at most
_MAX_PROBES = 2**18  # places at which an asset's vertex colours are held against its textures
_MEAN_ERROR = 6  # of 255: a face whose vertices miss its texture by less on average needs no texels,
_FAR, _FAR_SHARE = 24, 0.01  # unless they miss it by more than this at more than this share of its places
_INWARD = 0.75  # intervals between texels, about, by which the outermost are read from within the face
_FOOTPRINT = np.array([[2, -1, -1], [-1, 2, -1], [-1, -1, 2], [0, 0, 0]], np.float32) / 8  # in intervals


def bake_textures(parts: list[Part], meshes: list[Mesh], *, max_texels: int = MAX_TEXELS) -> list[FaceColors | None]:
    """Return the texels of each part, None where the vertices' colours show all there is.

    A grid is as fine as the picture but no finer than a 512th of the longest side, and coarser where all grids
    together exceed the budget.

    Args:
        meshes: the parts with their colours at the vertices, same faces in the same order.
        max_texels: of all parts together.
    """
    extent = _extent(meshes)
    spans = [_spans(part) for part in parts]
    if not any(span.any() for span in spans):
        return [None] * len(parts)
    sizes = [_longest(mesh.triangles) / extent for mesh in meshes]
    probed = _levels(spans, sizes, _MAX_PROBES)
    missed = [
        span * _is_missed(part, mesh, levels)
        for part, mesh, span, levels in zip(parts, meshes, spans, probed, strict=True)
    ]
    levels = _levels(missed, sizes, max_texels)
    return [FaceColors(n, _read(part, n)) if n.any() else None for part, n in zip(parts, levels, strict=True)]


def _extent(meshes: list[Mesh]) -> float:
    low = np.min([mesh.vertices.min(axis=0) for mesh in meshes], axis=0)
    high = np.max([mesh.vertices.max(axis=0) for mesh in meshes], axis=0)
    return max(float((high - low).max()), 1e-30)


def _spans(part: Part) -> np.ndarray:
    """Return the longest edge of each face in texels of the picture [F]; 0 without a picture and for odd numbers."""
    spans = np.zeros(len(part.faces))
    pairs = ((part.material.texture, part.uv), (part.material.glow_texture, part.glow_uv))
    for texture, uv in pairs:
        if texture is not None and uv is not None:
            height, width = texture.pixels.shape[:2]
            with np.errstate(invalid="ignore", over="ignore"):
                span = np.nan_to_num(_longest(uv * (width, height)), posinf=0)
            spans = np.maximum(spans, np.maximum(span, 1))
    return spans


def _longest(corners: np.ndarray) -> np.ndarray:
    """Return the longest edge [F] of triangles [F, 3, any]."""
    return np.asarray(np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2).max(axis=1))


def _levels(spans: list[np.ndarray], sizes: list[np.ndarray], budget: int) -> list[np.ndarray]:
    """Return levels uint8 [F] of each part: an interval for each texel of its picture, within the grain and a budget.

    Where all grids exceed the budget, the grain is coarser, so that a texel is as large on one face as on another;
    a face smaller than half of it has none.

    Args:
        spans: longest edge of each face, in texels of the picture.
        sizes: the same, of the object's longest side.
    """

    def finest(grain: float) -> list[np.ndarray]:
        fine = (np.rint(np.minimum(span, size * grain)) for span, size in zip(spans, sizes, strict=True))
        return [np.minimum(level, MAX_LEVEL).astype(np.uint8) for level in fine]

    def total(grain: float) -> int:
        return sum(int(num_texels(part).sum()) for part in finest(grain))

    if total(_GRAIN) <= budget:
        return finest(_GRAIN)
    low, high = 0.0, float(_GRAIN)
    for _ in range(16):
        middle = (low + high) / 2
        low, high = (middle, high) if total(middle) <= budget else (low, middle)
    return finest(low)


def _is_missed(part: Part, mesh: Mesh, levels: np.ndarray) -> np.ndarray:
    """Say whose colours [F] the vertices miss, at the places of texels of these levels."""
    missed: np.ndarray = np.zeros(len(levels), bool)
    faces, weights = texel_places(levels)
    if not len(faces) or mesh.vertex_colors is None:
        return missed
    weights = _inward(weights, levels[faces])
    flat = np.einsum("sc,scx->sx", weights, mesh.vertex_colors[mesh.faces[faces]].astype(np.float32))
    error = np.abs(colors_within(part, faces, weights) - flat).max(axis=1)
    has_any = levels > 0
    sizes = num_texels(levels[has_any])
    starts = np.cumsum(sizes) - sizes
    mean, far = (np.add.reduceat(values, starts) / sizes for values in (error, (error > _FAR).astype(np.float32)))
    missed[has_any] = (mean > _MEAN_ERROR) | (far > _FAR_SHARE)
    return missed


def _read(part: Part, levels: np.ndarray) -> np.ndarray:
    """Return the texels [T, 3] of these levels, each the mean of a few places around it."""
    faces, weights = texel_places(levels)
    weights = _inward(weights, levels[faces])
    around = weights[:, None] + _FOOTPRINT / np.maximum(levels[faces], 2)[:, None, None].astype(np.float32)
    return colors_within(part, faces, _onto_face(around))


def _inward(weights: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Move places toward the middle of their faces: on the edge, the next island of an atlas begins."""
    share = (_INWARD / (levels.astype(np.float32) + 2))[:, None]
    return weights * (1 - share) + share / 3


def _onto_face(weights: np.ndarray) -> np.ndarray:
    weights = np.maximum(weights, 0.01)
    return weights / weights.sum(axis=-1, keepdims=True)
