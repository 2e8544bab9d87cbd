"""Pictures of a shape, whatever it is: rendered meshes, splatted Gaussians, points as small round ones.

Letters: V views, H W pixels.
"""

import numpy as np
from jaxtyping import UInt8

from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.point_cloud import PointCloud
from ltm3d.metrics.surface import nearest
from ltm3d.rendering.cameras import CANONICAL_AZIMUTH, CANONICAL_ELEVATION, ViewConfig, orbit_camera, orbit_distance
from ltm3d.rendering.turntable import turntable
from ltm3d.splatting.camera import pinhole
from ltm3d.splatting.rasterize import rasterize
from ltm3d.splatting.record import Gaussians, to_parameters
from ltm3d.tokenizers.shape import Shape

FIELD_OF_VIEW = 30.0
OPAQUE_LOGIT = 5.0
GREY = 180
SHARE = 0.7  # a point's standard deviation, of the distance to the nearest in half of the points: closed, not blurred


def shape_pictures(shape: Shape | None, *, num_views: int, resolution: int) -> UInt8[np.ndarray, "V H W 4"]:
    """Take pictures all around a shape, the first from the canonical view; straight alpha, empty where there is none.

    Colours are the shape's own, a mesh or cloud without any is grey.

    Args:
        resolution: H = W, a multiple of 4.
    """
    if shape is None:
        return np.zeros((num_views, resolution, resolution, 4), np.uint8)
    if isinstance(shape, Mesh):
        return turntable(shape, num_frames=num_views, resolution=resolution)
    table = to_parameters(cloud_splats(shape) if isinstance(shape, PointCloud) else shape)
    distance = orbit_distance(ViewConfig(num_views=num_views, resolution=resolution, field_of_view=FIELD_OF_VIEW))
    pictures = []
    for azimuth in CANONICAL_AZIMUTH + 360 * np.arange(num_views) / num_views:
        camera = orbit_camera(azimuth, CANONICAL_ELEVATION, distance)
        rgba = rasterize(table, pinhole(camera, field_of_view=FIELD_OF_VIEW, resolution=resolution)).rgba
        alpha = rgba[..., 3:]
        colors = np.divide(rgba[..., :3], alpha, out=np.zeros_like(rgba[..., :3]), where=alpha > 0)
        pictures.append(np.rint(np.concatenate([colors, alpha], axis=2).clip(0, 1) * 255).astype(np.uint8))
    return np.stack(pictures)


def cloud_splats(cloud: PointCloud) -> Gaussians:
    """Make each point a round Gaussian as wide as the points lie apart, so that the surface closes."""
    points = cloud.points
    ordered = points[np.random.default_rng(0).permutation(len(points))]
    half = len(points) // 2
    spacing = float(np.median(nearest(ordered[:half], ordered[half:])[0])) if half else 0.05
    width = SHARE * max(spacing, 1e-3)
    colors = np.full((len(points), 3), GREY, np.uint8) if cloud.colors is None else cloud.colors
    return Gaussians(
        means=points,
        log_scales=np.full((len(points), 3), np.log(width), np.float32),
        quats=np.tile(np.array([1, 0, 0, 0], np.float32), (len(points), 1)),
        opacity_logits=np.full(len(points), OPAQUE_LOGIT, np.float32),
        colors=colors.astype(np.float32) / 255,
    )
