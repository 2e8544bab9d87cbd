"""The record of a point cloud, and its file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, eq=False)
class PointCloud:
    """Points of a surface, with unit normals and colours where they are known.

    Attributes:
        points: float32 [P, 3].
        normals: float32 [P, 3] or None.
        colors: uint8 sRGB [P, 3] or None.
    """

    points: np.ndarray
    normals: np.ndarray | None = None
    colors: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name, dtype in (("points", np.float32), ("normals", np.float32), ("colors", np.uint8)):
            value = getattr(self, name)
            if value is None:
                continue
            array = np.ascontiguousarray(value, dtype=dtype)
            if array.shape != (len(self.points), 3):
                raise ValueError(f"{name} have the shape {array.shape}; expected {(len(self.points), 3)}")
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.points)


def ply_bytes(cloud: PointCloud) -> bytes:
    """Return the cloud as a binary PLY file: x y z, then nx ny nz and red green blue where the cloud has them."""
    columns = [(name, "<f4", "float") for name in ("x", "y", "z")]
    if cloud.normals is not None:
        columns += [(name, "<f4", "float") for name in ("nx", "ny", "nz")]
    if cloud.colors is not None:
        columns += [(name, "u1", "uchar") for name in ("red", "green", "blue")]
    table = np.empty(len(cloud), [(name, kind) for name, kind, _ in columns])
    parts = [part for part in (cloud.points, cloud.normals, cloud.colors) if part is not None]
    for (name, _, _), values in zip(columns, (column for part in parts for column in part.T), strict=True):
        table[name] = values
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(cloud)}"]
    lines += [f"property {kind} {name}" for name, _, kind in columns] + ["end_header", ""]
    return "\n".join(lines).encode() + table.tobytes()


def write_ply(cloud: PointCloud, path: Path) -> None:
    """Write a point cloud as PLY."""
    path.write_bytes(ply_bytes(cloud))
