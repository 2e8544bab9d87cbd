"""Pieces of a mesh: faces that share a place belong together."""

import numpy as np
from jaxtyping import Int
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ltm3d.geometry.mesh import Mesh, face_areas, position_ids

# F faces


def face_pieces(mesh: Mesh) -> Int[np.ndarray, " F"]:
    """Return a number for the piece of each face, counted from 0; vertices are compared by position."""
    corners = position_ids(mesh)[mesh.faces]
    count = int(corners.max(initial=-1)) + 1
    rows, columns = corners[:, [0, 1]].reshape(-1), corners[:, [1, 2]].reshape(-1)
    graph = coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), shape=(count, count))
    _, of_place = connected_components(graph, directed=False)
    _, piece = np.unique(of_place[corners[:, 0]], return_inverse=True)
    return piece.reshape(-1)


def num_pieces(mesh: Mesh) -> int:
    """Count the pieces."""
    return int(face_pieces(mesh).max(initial=-1)) + 1


def keep_largest(mesh: Mesh) -> Mesh:
    """Return the piece of the largest area, without vertices that no face uses."""
    piece = face_pieces(mesh)
    if not piece.any():
        return mesh
    kept = piece == np.bincount(piece, weights=face_areas(mesh)).argmax()
    used, corners = np.unique(mesh.faces[kept], return_inverse=True)
    colors = None if mesh.vertex_colors is None else mesh.vertex_colors[used]
    inner = None if mesh.face_colors is None else mesh.face_colors.select(kept)
    return Mesh(mesh.vertices[used], corners.reshape(-1, 3), colors, inner)
