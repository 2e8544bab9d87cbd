"""Read meshes out of shards."""

import numpy as np

from ltm3d.geometry.mesh import Mesh
from ltm3d.shards.read import ShardSet


def read_mesh(meshes: ShardSet, index: int) -> Mesh:
    """Read one mesh of `schema.MESHES`; no colour rows means no colours."""
    colors = meshes.get("vertex_colors", index)
    return Mesh(
        vertices=np.array(meshes.get("vertices", index)),
        faces=np.array(meshes.get("faces", index)),
        vertex_colors=np.array(colors) if len(colors) else None,
    )
