"""Files of shapes as an independent reader sees them."""

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trimesh

# The properties of a scene by the authors of 3D Gaussian Splatting, without the harmonics of higher degree (f_rest).
INRIA = [
    *("x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity"),
    *("scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"),
]


def shape_in(answer: Mapping[str, Any]) -> Any:
    """Return the shape of a served answer."""
    kind = "glb" if answer["glb"] else "ply"
    data = io.BytesIO(base64.b64decode(answer[kind]))
    return trimesh.load(data, file_type=kind, force="mesh" if answer["num_faces"] else None)


def ply_properties(file: Path | Mapping[str, Any]) -> list[str]:
    """Return the names of a vertex's properties in a PLY file, or in that of a served answer, in their order."""
    loaded = trimesh.load(file) if isinstance(file, Path) else shape_in(file)
    return list(loaded.metadata["_ply_raw"]["vertex"]["properties"])
