"""How a surface looks: smooth normals, base colour in linear light, diffuse light."""

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ltm3d.geometry.base_color import linear_to_srgb, srgb_to_linear
from ltm3d.geometry.mesh import Mesh, corner_edges, corner_pairs, face_cross

CREASE_COSINE = 0.77  # edges sharper than 40 degrees stay sharp
GREY = 190  # of a mesh without colours, sRGB
BLACK, WHITE = 0.025, 0.85  # what is left of linear 0 and 1: shading shows on black things, and white ones stand out
KEY_DIRECTION = np.array([-0.45, 0.5, 0.74], np.float32)  # of the headlight in camera axes: above, a little left


def albedo(mesh: Mesh) -> np.ndarray:
    """Return what each vertex reflects of the light, linear, float32 [N, 3]."""
    if mesh.vertex_colors is None:
        return reflected(np.full_like(mesh.vertices, GREY, np.uint8))
    return reflected(mesh.vertex_colors)


def reflected(colors: np.ndarray) -> np.ndarray:
    """Return what surfaces of these colours, uint8 sRGB, reflect of the light, linear, float32."""
    return BLACK + (WHITE - BLACK) * srgb_to_linear(colors)


def corner_normals(mesh: Mesh) -> np.ndarray:
    """Return a unit normal for each corner of each face, float32 [F, 3, 3], smooth except over creases.

    Corners that meet at a vertex share a normal where a chain of faces joins them over edges flatter than the crease.
    """
    cross = face_cross(mesh)
    normals = cross / np.maximum(np.linalg.norm(cross, axis=1, keepdims=True), 1e-30)
    tail, _, key = corner_edges(mesh)  # by position, whatever the seams of colour
    num_corners = len(key)
    start = np.arange(num_corners).reshape(-1, 3)  # corner index [F, 3]; edge k runs from corner k to corner k + 1
    end = start[:, [1, 2, 0]]
    first, second, cosine = corner_pairs(key, normals)
    joined = cosine > CREASE_COSINE
    first, second = first[joined], second[joined]
    begin, finish = start.reshape(-1), end.reshape(-1)
    same = tail[first] == tail[second]  # both faces run the edge the same way only where their winding differs
    rows = np.concatenate([begin[first], finish[first]])
    columns = np.concatenate(
        [np.where(same, begin[second], finish[second]), np.where(same, finish[second], begin[second])]
    )
    graph = coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), shape=(num_corners, num_corners))
    _, group = connected_components(graph, directed=False)
    total = np.stack([np.bincount(group, weights=np.repeat(cross[:, x], 3)) for x in range(3)], axis=1)
    unit = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-30)
    return unit.astype(np.float32)[group.reshape(-1, 3)]


def fast_linear_to_srgb(light: np.ndarray) -> np.ndarray:
    """Return uint8 sRGB for linear light, by table; what is below 0 or above 1 is cut."""
    index = (np.minimum(light, 1) * (len(_TO_SRGB) - 1) + 0.5).astype(np.int32)
    return _TO_SRGB.take(index, mode="clip")


def diffuse_light(normals: np.ndarray, rotation: np.ndarray, *, sky: float, headlight: float) -> np.ndarray:
    """Return the light [P] that falls on surfaces with these world normals [P, 3], all facing the camera.

    Args:
        rotation: camera-to-world rotation [3, 3]; the headlight stands beside the camera.
    """
    key = rotation @ (KEY_DIRECTION / np.linalg.norm(KEY_DIRECTION))
    return sky * (0.7 + 0.3 * normals[:, 1]) + headlight * np.maximum(normals @ key, 0)


_TO_SRGB = linear_to_srgb(np.linspace(0, 1, 8192))
