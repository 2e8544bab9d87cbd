"""Meshes as the fields of a shard."""

from collections.abc import Callable, Sequence

import numpy as np

from ltm3d.geometry.face_colors import FaceColors
from ltm3d.geometry.mesh import Mesh
from ltm3d.shards.read import Shard, ShardSet


class MeshSet(Sequence[Mesh]):
    """The meshes (`schema.MESHES`) of some assets, each read when asked for."""

    def __init__(self, shards: ShardSet) -> None:
        self._shards = shards

    def __len__(self) -> int:
        return len(self._shards)

    def __getitem__(self, index: int) -> Mesh:  # type: ignore[override]  # no slices
        if not 0 <= index < len(self):
            raise IndexError(index)
        return _mesh(lambda name: self._shards.get(name, index))


def mesh_at(shard: Shard, place: int) -> Mesh:
    """Read one mesh of a shard of `schema.MESHES`."""
    return _mesh(lambda name: shard[name][place])


def mesh_arrays(mesh: Mesh) -> dict[str, np.ndarray]:
    """Return a mesh as the fields `schema.MESHES`: no rows where it has no colours."""
    inner, none = mesh.face_colors, np.zeros((0, 3), np.uint8)
    return {
        "vertices": mesh.vertices,
        "faces": mesh.faces,
        "vertex_colors": none if mesh.vertex_colors is None else mesh.vertex_colors,
        "texel_levels": none[:, 0] if inner is None else inner.levels,
        "texels": none if inner is None else inner.texels,
    }


def _mesh(field: Callable[[str], np.ndarray]) -> Mesh:
    colors, levels = field("vertex_colors"), field("texel_levels")
    return Mesh(
        field("vertices"),
        field("faces"),
        colors if len(colors) else None,
        FaceColors(levels, field("texels")) if len(levels) else None,
    )
