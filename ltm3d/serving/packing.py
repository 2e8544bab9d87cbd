"""Shapes as text that viewer pages read: plain in JSON, or squeezed to less than half for pages that hold hundreds."""

import base64
import json
import zlib
from typing import Any

import numpy as np

from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.point_cloud import PointCloud
from ltm3d.splatting.record import Gaussians
from ltm3d.tokenizers.shape import Shape

# N rows, C columns

INT16_MAX, INT8_MAX = 32767, 127
LOG_SCALE_STEPS = 1000  # steps of a Gaussian's logarithmic size, a unit
DISC_SHARE = 0.72  # of the distance to a neighbour: the radius of a point that is drawn
_NEIGHBOUR = 4  # the one that counts


def pack_shape(shape: Shape) -> dict[str, Any]:
    """Return a shape as JSON for `ltm3d.toObject` in shapes.js; positions are 16-bit integers of a common scale."""
    facts, arrays = _integers(shape)
    packed = {name: [_dtype(array), _base64(array.tobytes())] for name, array in arrays.items()}
    return {**facts, "arrays": packed}


def squeeze_shape(shape: Shape) -> str:
    """Return the same as text for `ltm3d.unsqueeze`: differences of neighbours, byte by byte, deflated.

    Layout before the compression: length of the header, uint32; header, JSON; of each array the lowest bytes of all its
    values, column by column, then the next lowest; each value is its difference from the one above, folded
    (0, -1, 1, -2 … → 0, 1, 2, 3 …).
    """
    facts, arrays = _integers(shape)
    arrays = {name: array.reshape(-1, 1) if name == "faces" else array for name, array in arrays.items()}
    listed = [[name, _dtype(array), *array.shape] for name, array in arrays.items()]
    header = json.dumps({**facts, "arrays": listed}, separators=(",", ":")).encode()
    planes = b"".join(_planes(array) for array in arrays.values())
    return _base64(zlib.compress(len(header).to_bytes(4, "little") + header + planes, 9))


def _planes(array: np.ndarray) -> bytes:
    bits = 8 * array.itemsize
    values = array.T.astype(np.int64)  # [N, C] -> [C, N]
    steps = np.diff(values, axis=1, prepend=0)
    steps = ((steps + (1 << (bits - 1))) & ((1 << bits) - 1)) - (1 << (bits - 1))  # as the integers wrap
    folded = ((steps << 1) ^ (steps >> 63)).astype(f"<u{array.itemsize}")
    return folded.reshape(-1, 1).view(np.uint8).T.tobytes()


def _integers(shape: Shape) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what a page must know of a shape, and its numbers as little-endian integers [N, C]."""
    match shape:
        case Mesh():
            scale, positions = _positions(shape.vertices)
            wide = len(shape.vertices) > 2**16
            arrays = {"positions": positions, "faces": shape.faces.astype("<u4" if wide else "<u2")}
            if shape.vertex_colors is not None:
                arrays["colors"] = shape.vertex_colors.astype("u1")
            return {"kind": "mesh", "scale": scale}, arrays
        case PointCloud():
            scale, positions = _positions(shape.points)
            arrays = {"positions": positions}
            if shape.normals is not None:
                arrays["normals"] = _rounded(shape.normals * INT8_MAX, "i1")
            if shape.colors is not None:
                arrays["colors"] = shape.colors
            return {"kind": "points", "scale": scale, "radius": disc_radius(shape.points)}, arrays
        case Gaussians():
            scale, positions = _positions(shape.means)
            lengths = np.maximum(np.linalg.norm(shape.quats, axis=1, keepdims=True), 1e-12)
            log_scales = np.clip(shape.log_scales * LOG_SCALE_STEPS, -INT16_MAX, INT16_MAX)
            arrays = {
                "positions": positions,
                "log_scales": _rounded(log_scales, "<i2"),
                "quats": _rounded(shape.quats / lengths * INT8_MAX, "i1"),
                "opacities": _rounded(shape.opacities[:, None] * 255, "u1"),
                "colors": _rounded(shape.colors.clip(0, 1) * 255, "u1"),
            }
            return {"kind": "gaussians", "scale": scale}, arrays


def disc_radius(points: np.ndarray) -> float:
    """Return how large the points [N, 3] of a surface are drawn, so that they close it: a share of their spacing."""
    from scipy.spatial import cKDTree

    if len(points) < 2:
        return 0.02
    distances, _ = cKDTree(points).query(points, k=min(_NEIGHBOUR, len(points)))
    return float(max(DISC_SHARE * np.median(distances[:, -1]), 1e-4))


def _positions(points: np.ndarray) -> tuple[float, np.ndarray]:
    extent = float(np.abs(points).max()) if len(points) else 1.0
    scale = max(extent, 1e-9) / INT16_MAX
    return scale, _rounded(points / scale, "<i2")


def _rounded(values: np.ndarray, dtype: str) -> np.ndarray:
    return np.rint(values).astype(dtype)


def _dtype(array: np.ndarray) -> str:
    return f"{array.dtype.kind}{array.itemsize}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
