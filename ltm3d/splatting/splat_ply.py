"""Gaussians as PLY files in the layout of 3D Gaussian Splatting, which public viewers open.

x y z | nx ny nz (zero) | f_dc_0..2 | opacity (logit) | scale_0..2 (log) | rot_0..3 (wxyz), all float32. A colour c is
written as the degree-0 coefficient of spherical harmonics, (c - 1/2) / C0 with C0 = 1 / (2 sqrt(pi)). The frame stays
y up; viewers made for photographs take y as down, so turn the scene there.
"""

import math
from pathlib import Path

import numpy as np

from ltm3d.errors import DataError
from ltm3d.splatting.record import Gaussians

_C0 = 1 / (2 * math.sqrt(math.pi))
_COLUMNS = {
    "means": ("x", "y", "z"),
    "normals": ("nx", "ny", "nz"),
    "colors": ("f_dc_0", "f_dc_1", "f_dc_2"),
    "opacity_logits": ("opacity",),
    "log_scales": ("scale_0", "scale_1", "scale_2"),
    "quats": ("rot_0", "rot_1", "rot_2", "rot_3"),
}
_NAMES = [name for names in _COLUMNS.values() for name in names]
_MAX_HEADER = 64 * 1024


def ply_bytes(gaussians: Gaussians) -> bytes:
    """Return the file's bytes; the same Gaussians give the same bytes."""
    parts = {
        "means": gaussians.means,
        "normals": np.zeros_like(gaussians.means),
        "colors": (gaussians.colors - 0.5) / _C0,
        "opacity_logits": gaussians.opacity_logits[:, None],
        "log_scales": gaussians.log_scales,
        "quats": gaussians.quats,
    }
    table = np.concatenate([parts[name] for name in _COLUMNS], axis=1).astype("<f4")
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(gaussians)}"]
    lines += [f"property float {name}" for name in _NAMES] + ["end_header", ""]
    return "\n".join(lines).encode() + table.tobytes()


def write_ply(gaussians: Gaussians, path: Path) -> None:
    """Write Gaussians as PLY."""
    path.write_bytes(ply_bytes(gaussians))


def read_ply(path: Path) -> Gaussians:
    """Read a PLY of Gaussians; further properties, such as colours of higher degree, are left out.

    Raises:
        DataError: the file is no binary PLY, is cut short, or lacks one of the properties.
    """
    data = path.read_bytes()
    head, mark, _ = data[:_MAX_HEADER].partition(b"end_header\n")
    lines = head.decode("ascii", errors="replace").splitlines()
    if not mark or lines[:2] != ["ply", "format binary_little_endian 1.0"]:
        raise DataError(f"{path}: not a binary little-endian PLY; save it as such from the program that made it")
    elements = [line.split() for line in lines if line.startswith("element ")]
    if len(elements) != 1 or elements[0][1:2] != ["vertex"] or not elements[0][-1].isdigit():
        raise DataError(f"{path}: holds {elements}; expected one element, the vertices of a Gaussian scene")
    properties = [line.split() for line in lines if line.startswith("property ")]
    strange = [" ".join(words) for words in properties if words[1:2] not in (["float"], ["float32"]) or len(words) != 3]
    if strange:
        raise DataError(f"{path}: {strange[0]!r} is not read; properties of Gaussians are float")
    names = [words[2] for words in properties]
    missing = [name for name in _NAMES if name not in names and not name.startswith("n")]
    if missing:
        raise DataError(f"{path}: lacks {', '.join(missing)}; is it a mesh or a point cloud?")
    count, start = int(elements[0][2]), len(head) + len(mark)
    if len(data) - start < 4 * count * len(names):
        raise DataError(f"{path}: cut short, {len(data) - start} bytes for {count} Gaussians; fetch it again")
    table = np.frombuffer(data, "<f4", count * len(names), offset=start).reshape(count, len(names))

    def columns(part: str) -> np.ndarray:
        return table[:, [names.index(name) for name in _COLUMNS[part]]]

    return Gaussians(
        means=columns("means"),
        log_scales=columns("log_scales"),
        quats=columns("quats"),
        opacity_logits=columns("opacity_logits")[:, 0],
        colors=columns("colors") * np.float32(_C0) + np.float32(0.5),
    )
