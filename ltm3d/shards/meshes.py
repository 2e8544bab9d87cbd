"""Read meshes out of shards."""

from collections.abc import Sequence

import numpy as np

from ltm3d.geometry.mesh import Mesh
from ltm3d.shards.read import ShardSet


class MeshSet(Sequence[Mesh]):
    """The meshes (`schema.MESHES`) of some assets, each read when asked for."""

    def __init__(self, shards: ShardSet) -> None:
        self._shards = shards

    def __len__(self) -> int:
        return len(self._shards)

    def __getitem__(self, index: int) -> Mesh:  # type: ignore[override]  # no slices
        if not 0 <= index < len(self):
            raise IndexError(index)
        colors = self._shards.get("vertex_colors", index)
        return Mesh(
            vertices=np.array(self._shards.get("vertices", index)),
            faces=np.array(self._shards.get("faces", index)),
            vertex_colors=np.array(colors) if len(colors) else None,  # no rows: no colours
        )
