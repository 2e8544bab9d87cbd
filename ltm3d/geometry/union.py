"""Union of closed parts (manifold3d, Lalish 2023): what lies inside another part is gone."""

from collections.abc import Sequence

import numpy as np

from ltm3d.errors import AssetError
from ltm3d.geometry.mesh import Mesh


def unite(parts: Sequence[Mesh]) -> Mesh:
    """Unite closed, outward-wound parts into one closed surface; colours stay with their parts.

    Where two colours meet the vertex is there twice, at the same place.

    Raises:
        AssetError: `no_surface`, a part is not closed, or nothing is left.
    """
    from manifold3d import Error, Manifold, OpType
    from manifold3d import Mesh as Solid

    solids = []
    for number, part in enumerate(parts):
        colors = np.full(part.vertices.shape, 128.0) if part.vertex_colors is None else part.vertex_colors
        properties = np.ascontiguousarray(np.concatenate([part.vertices, colors], axis=1), np.float32)
        solid = Manifold(Solid(properties, np.ascontiguousarray(part.faces, np.uint32)))
        if solid.status() != Error.NoError:
            raise AssetError("no_surface", f"part {number} of {len(parts)} is not closed ({solid.status().name})")
        solids.append(solid)
    united = Manifold.batch_boolean(solids, OpType.Add).to_mesh()
    properties, faces = np.asarray(united.vert_properties), np.asarray(united.tri_verts)
    if not len(faces):
        raise AssetError("no_surface", f"the union of {len(parts)} parts is empty")
    colors = np.clip(np.rint(properties[:, 3:6]), 0, 255).astype(np.uint8)
    return Mesh(properties[:, :3], faces, colors)
