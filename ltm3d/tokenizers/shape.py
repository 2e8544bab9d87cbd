"""What tokens decode to: the record of a representation; its surface as points, its arrays in a shard, its file."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ltm3d import schema
from ltm3d.errors import ModelError
from ltm3d.geometry.export import mesh_bytes
from ltm3d.geometry.mesh import Mesh, is_watertight
from ltm3d.geometry.point_cloud import PointCloud
from ltm3d.geometry.point_cloud import ply_bytes as cloud_bytes
from ltm3d.geometry.sampling import sample_surface
from ltm3d.splatting.ply import ply_bytes as gaussians_bytes
from ltm3d.splatting.record import Gaussians, from_parameters, to_parameters

Shape = Mesh | PointCloud | Gaussians
MIN_OPACITY = 0.1  # centres of fainter Gaussians are no surface


def surface_of(shape: Shape, *, num_points: int, rng: np.random.Generator) -> PointCloud:
    """Return points of a shape's surface: drawn from a mesh; all of a cloud's; the centres of Gaussians that are seen.

    Raises:
        AssetError: `no_surface`, a mesh without area.
    """
    if isinstance(shape, Mesh):
        samples = sample_surface(shape, num_points, rng)
        return PointCloud(samples.points, samples.normals)
    if isinstance(shape, PointCloud):
        return shape
    seen = shape.opacities >= MIN_OPACITY
    return PointCloud(shape.means[seen] if seen.any() else shape.means)


def sample_fields(shape_type: type[Shape]) -> tuple[schema.Field, ...]:
    """Return the fields of a shard of generated shapes."""
    return {Mesh: schema.SAMPLES, PointCloud: schema.CLOUD_SAMPLES, Gaussians: schema.GAUSSIANS_SAMPLES}[shape_type]


def to_arrays(shape: Shape) -> dict[str, np.ndarray]:
    """Return a shape's part of `sample_fields`; a cloud has normals and colours there."""
    if isinstance(shape, Mesh):
        return {"vertices": shape.vertices, "faces": shape.faces}
    if isinstance(shape, Gaussians):
        return {"gaussians": to_parameters(shape)}
    assert shape.normals is not None and shape.colors is not None
    return {"points": np.concatenate([shape.points, shape.normals], axis=1), "colors": shape.colors}


def from_arrays(arrays: Mapping[str, np.ndarray]) -> Shape:
    """Undo `to_arrays`; other arrays beside the shape's own are left alone."""
    if "vertices" in arrays:
        return Mesh(vertices=np.array(arrays["vertices"]), faces=np.array(arrays["faces"]))
    if "gaussians" in arrays:
        return from_parameters(np.array(arrays["gaussians"]))
    points = np.array(arrays["points"])
    return PointCloud(points[:, :3], points[:, 3:], np.array(arrays["colors"]))


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
