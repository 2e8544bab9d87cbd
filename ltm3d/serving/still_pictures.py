"""Still pictures of a shape that turns, for pages to show before, or without, WebGL: whatever the representation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ltm3d.errors import ConfigError
from ltm3d.geometry.base_color import linear_to_srgb, srgb_to_linear
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.point_cloud import PointCloud
from ltm3d.rendering.cameras import CANONICAL_AZIMUTH, CANONICAL_ELEVATION, ViewConfig, orbit_camera, orbit_distance
from ltm3d.rendering.embree import render
from ltm3d.rendering.shading import BLACK, GREY, WHITE, diffuse_light
from ltm3d.serving.packing import disc_radius
from ltm3d.splatting.camera import pinhole
from ltm3d.splatting.rasterize import rasterize
from ltm3d.splatting.record import Gaussians, to_parameters
from ltm3d.tokenizers.shape import MIN_OPACITY, Shape

# V frames, H W pixels

FIELD_OF_VIEW = 30.0  # degrees
MARGIN = 0.94  # share of the picture's half width that a turning shape may reach
_OPAQUE = 6.0  # logit
_DISC = 0.6  # standard deviation of a Gaussian that looks like a disc of radius 1


@dataclass(frozen=True, kw_only=True)
class GalleryPictures:
    """How the turning pictures are taken: frames a turn, and pixels along a side."""

    num_frames: int = 8
    resolution: int = 224

    def __post_init__(self) -> None:
        if self.num_frames < 1 or self.resolution < 16 or self.resolution % 4:
            raise ConfigError(f"{self} is out of range; use at least 1 frame and a multiple of 4 from 16 pixels")


def turning_pictures(shape: Shape, *, magnify: float, pictures: GalleryPictures) -> np.ndarray:
    """Return what the viewer shows while it turns, uint8 [V, H, W, 4]: enlarged about the picture's middle."""
    distance = orbit_distance(ViewConfig(field_of_view=FIELD_OF_VIEW))
    azimuths = CANONICAL_AZIMUTH + 360 * np.arange(pictures.num_frames) / pictures.num_frames
    cameras = np.stack([orbit_camera(azimuth, CANONICAL_ELEVATION, distance) for azimuth in azimuths])
    narrowed = 2 * math.degrees(math.atan(math.tan(math.radians(FIELD_OF_VIEW) / 2) / magnify))
    config = ViewConfig(resolution=pictures.resolution, field_of_view=narrowed)
    if isinstance(shape, Mesh):
        return render(shape, cameras, config=config).images
    return np.stack([_splat(_table(shape, camera, config), camera, config) for camera in cameras])


def magnification(shapes: Sequence[Shape]) -> float:
    """Return how far the turntable's picture may be enlarged about its middle before a turning shape leaves it."""
    config = ViewConfig(field_of_view=FIELD_OF_VIEW)
    reach = 1e-6
    for shape in shapes:
        points = _outline(shape).astype(np.float64)
        for azimuth in range(0, 360, 15):
            camera = orbit_camera(azimuth, CANONICAL_ELEVATION, orbit_distance(config))
            seen = (points - camera[:3, 3]) @ camera[:3, :3]
            plane = seen[:, :2] / (np.maximum(-seen[:, 2:], 1e-3) * config.half_tangent)
            reach = max(reach, float(np.abs(plane).max(initial=0.0)))
    return float(np.clip(MARGIN / reach, 0.2, 4.0))


def _outline(shape: Shape) -> np.ndarray:
    """Return the points that must stay in the picture."""
    if isinstance(shape, Mesh):
        return shape.vertices[np.unique(shape.faces)]
    if isinstance(shape, PointCloud):
        return shape.points
    return shape.means[shape.opacities >= MIN_OPACITY]


def _splat(table: np.ndarray, camera: np.ndarray, config: ViewConfig) -> np.ndarray:
    """Draw a table of Gaussians on nothing, uint8 [H, W, 4]."""
    view = pinhole(camera, field_of_view=config.field_of_view, resolution=config.resolution)
    rgba = rasterize(table, view).rgba
    cover = rgba[..., 3:]
    picture = np.concatenate([rgba[..., :3] / np.maximum(cover, 1 / 255), cover], axis=2)
    return np.rint(picture.clip(0, 1) * 255).astype(np.uint8)


def _table(shape: PointCloud | Gaussians, camera: np.ndarray, config: ViewConfig) -> np.ndarray:
    """Return Gaussians as they are, and points as small opaque ones, lit from where the camera stands, [G, 14]."""
    if isinstance(shape, Gaussians):
        return to_parameters(shape)
    size = len(shape)
    colors = np.full((size, 3), GREY, np.uint8) if shape.colors is None else shape.colors
    light = np.full((size, 1), config.sky + config.headlight / 2, np.float32)
    if shape.normals is not None:
        away = np.einsum("px,px->p", shape.normals, camera[:3, 3] - shape.points) < 0
        facing = np.where(away[:, None], -shape.normals, shape.normals)
        light = diffuse_light(facing, camera[:3, :3], sky=config.sky, headlight=config.headlight)[:, None]
    lit = linear_to_srgb((BLACK + (WHITE - BLACK) * srgb_to_linear(colors)) * light) / np.float32(255)
    return to_parameters(
        Gaussians(
            means=shape.points,
            log_scales=np.full((size, 3), np.log(_DISC * disc_radius(shape.points)), np.float32),
            quats=np.tile(np.array([1, 0, 0, 0], np.float32), (size, 1)),
            opacity_logits=np.full(size, _OPAQUE, np.float32),
            colors=lit,
        )
    )
