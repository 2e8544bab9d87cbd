"""A decoded shape as a file: GLB, OBJ, PLY or STL."""

from pathlib import Path

import numpy as np

from ltm3d.errors import ModelError
from ltm3d.geometry.mesh import Mesh, is_watertight
from ltm3d.geometry.pieces import num_pieces
from ltm3d.geometry.point_cloud import PointCloud
from ltm3d.geometry.point_cloud import ply_bytes as cloud_bytes
from ltm3d.mesh_io.writing import mesh_bytes
from ltm3d.splatting.splat_ply import ply_bytes as gaussians_bytes
from ltm3d.tokenizers.shape import Shape


def check_suffix(shape_type: type[Shape], suffix: str) -> None:
    """Check that shapes of a kind can be written as files of a suffix; those of a mesh are `mesh_bytes`'s.

    Raises:
        ModelError: they cannot.
    """
    if shape_type is not Mesh and suffix != ".ply":
        raise ModelError(f"a {shape_type.__name__} can be written as .ply only, not as {suffix}")


def shape_bytes(shape: Shape, suffix: str) -> bytes:
    """Return the bytes of a file: a mesh as GLB, OBJ, PLY or STL; points, and Gaussians in the layout of 3DGS, as PLY.

    Raises:
        ModelError: the suffix is not one that the shape can be written as.
    """
    if isinstance(shape, Mesh):
        return mesh_bytes(shape, suffix)
    check_suffix(type(shape), suffix)
    return cloud_bytes(shape) if isinstance(shape, PointCloud) else gaussians_bytes(shape)


def write_shape(shape: Shape, path: Path) -> None:
    """Write a shape in the format of the path's suffix, as `shape_bytes` gives it.

    Raises:
        ModelError: the file's suffix is not one that the shape can be written as.
    """
    path.write_bytes(shape_bytes(shape, path.suffix.lower()))


def describe(shape: Shape) -> str:
    """Say how much there is of a shape, and its sides x, y, z: `1,024 faces, 1 piece, open, 0.72 × 1.90 × 0.80`."""
    if isinstance(shape, Mesh):
        count = num_pieces(shape)
        parts = f"{count} {'piece' if count == 1 else 'pieces'}"
        what = f"{len(shape.faces):,} faces, {parts}, {'watertight' if is_watertight(shape) else 'open'}"
        places = shape.vertices
    else:
        what = f"{len(shape):,} {'points' if isinstance(shape, PointCloud) else 'Gaussians'}"
        places = shape.points if isinstance(shape, PointCloud) else shape.means
    return f"{what}, {' × '.join(f'{side:.2f}' for side in np.ptp(places, axis=0))}" if len(places) else what
