"""A decoded shape as a file: GLB, OBJ or PLY."""

from pathlib import Path

from ltm3d.errors import ModelError
from ltm3d.geometry.mesh import Mesh, is_watertight
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
    """Return a mesh as a GLB, OBJ or PLY file's bytes; points, and Gaussians in the layout of 3DGS, as those of a PLY.

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
    """Say how much there is of a shape, e.g. `1,024 faces, watertight`."""
    if isinstance(shape, Mesh):
        return f"{len(shape.faces):,} faces, {'watertight' if is_watertight(shape) else 'open'}"
    return f"{len(shape):,} {'points' if isinstance(shape, PointCloud) else 'Gaussians'}"
