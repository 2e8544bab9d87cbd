"""Is a mesh one object, or a dot with something far away?"""

import numpy as np

from ltm3d.geometry.mesh import Mesh, face_areas, position_ids
from ltm3d.geometry.pieces import face_pieces

_OUTER = 0.01  # share of the vertices that is left out at each end of each axis; at least one vertex


def core_extent(mesh: Mesh) -> float:
    """Return the longest side of all vertices but the outermost beside the longest side of all: 1 down to 0.

    A mesh of fewer than 5 places has no core: 1.
    """
    _, first = np.unique(position_ids(mesh), return_index=True)
    places = np.sort(mesh.vertices[first], axis=0)
    if len(places) < 5:
        return 1.0
    left_out = max(1, int(_OUTER * len(places)))
    core = places[-1 - left_out] - places[left_out]
    return float(core.max() / (places[-1] - places[0]).max())


def largest_part(mesh: Mesh) -> float:
    """Return the share of the area that the largest piece has."""
    areas = np.bincount(face_pieces(mesh), weights=face_areas(mesh))
    return float(areas.max() / areas.sum())
