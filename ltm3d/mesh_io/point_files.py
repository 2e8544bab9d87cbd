"""Point clouds in PLY files, from hands one does not know."""

import re
from pathlib import Path

import numpy as np

from ltm3d.errors import AssetError
from ltm3d.geometry.point_cloud import PointCloud
from ltm3d.mesh_io.loading import LoadLimits
from ltm3d.mesh_io.ply import ply_positions
from ltm3d.mesh_io.ply_file import parse_ply

_HEADER_BYTES = 2**16


def is_point_cloud(path: Path) -> bool:
    """Say whether a PLY file declares no faces; False where its header cannot be read."""
    with path.open("rb") as file:
        header, end, _ = file.read(_HEADER_BYTES).partition(b"end_header")
    faces = re.search(rb"^[ \t]*element[ \t]+(?:face|tristrips)[ \t]+(\d+)", header, re.MULTILINE)
    return bool(end) and header.startswith(b"ply") and (faces is None or int(faces[1]) == 0)


def load_points(path: Path, *, limits: LoadLimits | None = None) -> PointCloud:
    """Read the positions of a PLY point cloud; at most three for each face a mesh may have.

    Raises:
        AssetError: `parse_error`, `too_large`, `non_finite`, `no_surface` where there are no points.
    """
    limits = limits or LoadLimits()
    size = path.stat().st_size
    if size > limits.max_bytes:
        raise AssetError("too_large", f"{size:,} bytes; the limit is {limits.max_bytes:,}")
    try:
        points = ply_positions(parse_ply(path.read_bytes()).elements["vertex"]).astype(np.float32)
    except AssetError:
        raise
    except MemoryError as error:
        raise AssetError("out_of_memory", "while parsing") from error
    except Exception as error:  # whatever a parser makes of a broken file
        raise AssetError("parse_error", f"{type(error).__name__}: {str(error)[:200]}") from error
    if not len(points):
        raise AssetError("no_surface", "the file holds no points")
    if len(points) > 3 * limits.max_faces:
        raise AssetError("too_large", f"{len(points):,} points; the limit is {3 * limits.max_faces:,}")
    if not np.isfinite(points).all():
        raise AssetError("non_finite", "NaN or infinite coordinates")
    return PointCloud(points)
