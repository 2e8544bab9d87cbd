"""The mesh record that every part of the project hands on."""

from dataclasses import dataclass

import numpy as np

from ltm3d.geometry.face_colors import FaceColors, join_face_colors


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles with optional colours, in whatever frame the maker says.

    Attributes:
        vertices: float32 [N, 3].
        faces: int64 [F, 3], counter-clockwise seen from outside where the mesh is oriented at all.
        vertex_colors: uint8 sRGB [N, 3] or None.
        face_colors: colours within faces, where those of the vertices miss a texture, or None.
    """

    vertices: np.ndarray
    faces: np.ndarray
    vertex_colors: np.ndarray | None = None
    face_colors: FaceColors | None = None

    def __post_init__(self) -> None:
        vertices = np.ascontiguousarray(self.vertices, dtype=np.float32)
        faces = np.ascontiguousarray(self.faces, dtype=np.int64)
        if vertices.ndim != 2 or vertices.shape[1] != 3:
            raise ValueError(f"vertices have the shape {vertices.shape}; expected [N, 3]")
        if faces.ndim != 2 or faces.shape[1] != 3:
            raise ValueError(f"faces have the shape {faces.shape}; expected [F, 3]")
        if len(faces) and (faces.min() < 0 or faces.max() >= len(vertices)):
            raise ValueError(f"faces name vertices {faces.min()} to {faces.max()}; the mesh has {len(vertices)}")
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "faces", faces)
        if self.face_colors is not None and len(self.face_colors.levels) != len(faces):
            raise ValueError(f"face_colors are of {len(self.face_colors.levels)} faces; the mesh has {len(faces)}")
        if self.vertex_colors is None:
            return
        colors = np.ascontiguousarray(self.vertex_colors, dtype=np.uint8)
        if colors.shape != vertices.shape:
            raise ValueError(f"vertex_colors have the shape {colors.shape}; expected {vertices.shape}")
        object.__setattr__(self, "vertex_colors", colors)

    @property
    def triangles(self) -> np.ndarray:
        """Corner positions, float32 [F, 3, 3]."""
        return self.vertices[self.faces]


def face_cross(mesh: Mesh) -> np.ndarray:
    """Return each face's cross product, float64 [F, 3]: direction = normal, length = twice the area."""
    corners = mesh.vertices.astype(np.float64)[mesh.faces]
    return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def face_areas(mesh: Mesh) -> np.ndarray:
    """Return the area of each face, float64 [F]."""
    return np.linalg.norm(face_cross(mesh), axis=1) / 2


def concatenate(meshes: list[Mesh]) -> Mesh:
    """Put several meshes into one; parts without colours are grey where another part has some."""
    colored = any(mesh.vertex_colors is not None for mesh in meshes)
    offsets = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
    colors = [np.full(m.vertices.shape, 128, np.uint8) if m.vertex_colors is None else m.vertex_colors for m in meshes]
    return Mesh(
        vertices=np.concatenate([mesh.vertices for mesh in meshes]),
        faces=np.concatenate([mesh.faces + offset for mesh, offset in zip(meshes, offsets, strict=True)]),
        vertex_colors=np.concatenate(colors) if colored else None,
        face_colors=join_face_colors([mesh.face_colors for mesh in meshes], [len(mesh.faces) for mesh in meshes]),
    )


def position_ids(mesh: Mesh) -> np.ndarray:
    """Return a number for each vertex [N], equal where positions are equal to the last bit."""
    bits = (mesh.vertices + np.float32(0)).view(np.uint32).astype(np.uint64)  # + 0: one zero only
    start = bits[:, 0] << np.uint64(32) | bits[:, 1]
    order = np.lexsort((bits[:, 2], start))
    differs = (np.diff(start[order]) != 0) | (np.diff(bits[order, 2]) != 0)
    ids = np.empty(len(bits), np.int64)
    ids[order] = np.concatenate([[0], np.cumsum(differs)])[: len(bits)]
    return ids


def corner_edges(mesh: Mesh) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for the edge that starts at each corner [3F] its two ends by position, and a number for the edge."""
    faces = position_ids(mesh)[mesh.faces]
    tail, head = faces.reshape(-1), faces[:, [1, 2, 0]].reshape(-1)
    return tail, head, np.minimum(tail, head) * (int(faces.max(initial=0)) + 1) + np.maximum(tail, head)


def corner_pairs(edges: np.ndarray, normals: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pairs of corners with one edge, neighbours in the mesh's order, and the cosine of their faces' normals.

    Args:
        edges: numbers of `corner_edges` [3F].
        normals: unit normals of the faces [F, 3].
    """
    order = np.argsort(edges, kind="stable")
    first, second = order[:-1], order[1:]
    shared = edges[first] == edges[second]
    first, second = first[shared], second[shared]
    return first, second, np.einsum("ex,ex->e", normals[first // 3], normals[second // 3])


def edge_balance(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Return for each edge between two positions how many faces use it, and how many more run it up than down."""
    tail, head, key = corner_edges(mesh)
    _, edge = np.unique(key, return_inverse=True)
    edge = edge.reshape(-1)
    return np.bincount(edge), np.bincount(edge, weights=np.sign(head - tail)).astype(np.int64)


def is_watertight(mesh: Mesh) -> bool:
    """Say whether every edge, by position, belongs to exactly two faces that run it in opposite directions."""
    if not len(mesh.faces):
        return False
    count, balance = edge_balance(mesh)
    return bool((count == 2).all() and not balance.any())


def has_no_boundary(mesh: Mesh) -> bool:
    """Say whether every edge is run equally often both ways, so that winding numbers are whole; parts may overlap."""
    return not edge_balance(mesh)[1].any()


def doubled_share(mesh: Mesh) -> float:
    """Return the share of faces with a twin of the other side on the same vertices: the two wind around nothing."""
    corners = mesh.faces - mesh.faces.min(axis=1, keepdims=True)
    turned = np.take_along_axis(
        mesh.faces, (corners.argmin(axis=1)[:, None] + np.arange(3)) % 3, axis=1
    )  # the least vertex first, the direction kept
    sides = {tuple(face) for face in turned.tolist()}
    return sum((a, c, b) in sides for a, b, c in turned.tolist()) / len(turned)
