"""One make of mesh out of many: welded, without faces that are none."""

import hashlib

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ltm3d.errors import AssetError
from ltm3d.geometry.mesh import Mesh, face_areas, position_ids

WELD_TOLERANCE = 1e-6  # of the longest side
_SIGNATURE_STEPS = 1024  # along the longest side
_MIN_AREA = 1e-14  # of the longest side squared


def clean_mesh(mesh: Mesh) -> Mesh:
    """Weld vertices by position and colour; drop degenerate and repeated faces and unused vertices.

    Vertices closer than a millionth of the longest side get the very same position. Of these, only those of one colour
    become one vertex, so that edges between colours stay sharp: for the surface's topology, compare positions.

    Raises:
        AssetError: `no_surface`, `non_finite`.
    """
    if not len(mesh.faces):
        raise AssetError("no_surface", "no faces")
    used = np.unique(mesh.faces)
    points = mesh.vertices[used].astype(np.float64)
    if not np.isfinite(points).all():
        raise AssetError("non_finite", "NaN or infinite coordinates")
    extent = float(np.ptp(points, axis=0).max())
    if extent <= 0:
        raise AssetError("no_surface", "all vertices lie on one point")
    vertices = np.zeros_like(mesh.vertices)
    vertices[used] = mesh.vertices[used][_first_of_cluster(points, extent * WELD_TOLERANCE)]
    kept = _kept_faces(Mesh(vertices, mesh.faces), extent)
    if not kept.any():
        raise AssetError("no_surface", "no face has an area")
    inner = None if mesh.face_colors is None else mesh.face_colors.select(kept)
    return _merge_equal(Mesh(vertices, mesh.faces[kept], mesh.vertex_colors, inner))


def geometry_signature(mesh: Mesh) -> str:
    """Return a hash of a cleaned, normalised surface that no order, colour or winding of its parts changes.

    Corners are rounded to a 1,024th of the longest side, so a copy written with fewer digits has, as a rule, the same.
    """
    cells = np.rint((mesh.vertices.astype(np.float64) + 1) * (_SIGNATURE_STEPS / 2)).astype(np.int64)
    codes = (cells[:, 0] * 2048 + cells[:, 1]) * 2048 + cells[:, 2]
    a, b, c = np.sort(codes[mesh.faces], axis=1).T
    order = np.lexsort((c, b, a))
    triangles = np.stack([a, b, c], axis=1)[order]
    once = np.concatenate([[True], (triangles[1:] != triangles[:-1]).any(axis=1)])
    return hashlib.sha256(triangles[once].astype("<i8").tobytes()).hexdigest()


def _first_of_cluster(points: np.ndarray, tolerance: float) -> np.ndarray:
    """Return for each of the points [N, 3] the index of the first that chains of close points join it to."""
    places, first, place = np.unique(points, axis=0, return_index=True, return_inverse=True)
    pairs = cKDTree(places).query_pairs(tolerance, output_type="ndarray")
    graph = coo_matrix((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(len(places), len(places)))
    num_clusters, cluster = connected_components(graph, directed=False)
    leader = np.full(num_clusters, len(points))
    np.minimum.at(leader, cluster, first)
    return leader[cluster[place.reshape(-1)]]


def _kept_faces(mesh: Mesh, extent: float) -> np.ndarray:
    """Say which faces [F] have an area and are the first of their kind.

    Two faces back to back stay two, as where two closed parts touch: without one of them neither part is closed.
    """
    corners = position_ids(mesh)[mesh.faces]
    turn = (corners.argmin(axis=1)[:, None] + np.arange(3)) % 3  # start at the smallest, keep the winding
    _, first = np.unique(np.take_along_axis(corners, turn, axis=1), axis=0, return_index=True)
    once = np.zeros(len(corners), dtype=bool)
    once[first] = True
    return np.asarray(once & (face_areas(mesh) > _MIN_AREA * extent**2))


def _merge_equal(mesh: Mesh) -> Mesh:
    """Merge vertices of the same position and colour, and drop those that no face uses; order of first use."""
    key = position_ids(mesh)[:, None]
    if mesh.vertex_colors is not None:
        key = np.concatenate([key, mesh.vertex_colors.astype(np.int64)], axis=1)
    _, group = np.unique(key, axis=0, return_inverse=True)
    corners = group.reshape(-1)[mesh.faces].reshape(-1)
    _, first, renamed = np.unique(corners, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    source = mesh.faces.reshape(-1)[np.sort(first)]
    return Mesh(
        vertices=mesh.vertices[source],
        faces=rank[renamed.reshape(-1)].reshape(-1, 3),
        vertex_colors=None if mesh.vertex_colors is None else mesh.vertex_colors[source],
        face_colors=mesh.face_colors,
    )
