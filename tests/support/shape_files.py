"""Files of shapes as an independent reader sees them."""

import io

import trimesh

# The properties of a scene by the authors of 3D Gaussian Splatting, without the harmonics of higher degree (f_rest).
INRIA = [
    *("x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity"),
    *("scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"),
]


def ply_properties(data: bytes) -> list[str]:
    """Return the names of a vertex's properties, in the file's order."""
    loaded = trimesh.load(io.BytesIO(data), file_type="ply")
    return list(loaded.metadata["_ply_raw"]["vertex"]["properties"])
