"""Read meshes out of shards."""

from collections.abc import Callable, Sequence

import numpy as np

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


def _mesh(field: Callable[[str], np.ndarray]) -> Mesh:
    colors = field("vertex_colors")
    return Mesh(field("vertices"), field("faces"), colors if len(colors) else None)  # no rows: no colours
