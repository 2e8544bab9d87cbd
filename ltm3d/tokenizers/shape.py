"""What tokens decode to: the record of a representation; its surface as points, its arrays in a shard."""

from collections.abc import Mapping

import numpy as np

from ltm3d import schema
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.point_cloud import PointCloud
from ltm3d.geometry.surface_points import sample_surface
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
