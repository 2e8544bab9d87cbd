"""The renderer: Embree rays, diffuse light, no display needed."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ltm3d.geometry.face_colors import FaceColors
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.raycasting import RayScene
from ltm3d.rendering.cameras import ViewConfig, standard_lights
from ltm3d.rendering.pixels import PixelSums, Views, Window, develop, window_of
from ltm3d.rendering.shading import albedo, corner_normals, diffuse_light, reflected


@dataclass(frozen=True, eq=False)
class _Samples:
    """The P rays of a window that meet the mesh."""

    index: np.ndarray  # row-major number of the ray in the window [P]
    depth: np.ndarray  # [P]
    normals: np.ndarray  # unit, facing the camera [P, 3]
    colors: np.ndarray  # linear base colour [P, 3]


def render(mesh: Mesh, cameras: np.ndarray, *, config: ViewConfig, lights: np.ndarray | None = None) -> Views:
    """Take a picture from each of the cameras [V, 4, 4].

    Args:
        config: the picture's size, field of view, samples and, without `lights`, light; no other part is looked at.
        lights: strengths of sky and headlight, [V, 2].
    """
    scene = RayScene(mesh)
    corners = np.concatenate([corner_normals(mesh), albedo(mesh)[mesh.faces]], axis=2)  # [F, 3, 6]
    lights = standard_lights(config, len(cameras)) if lights is None else lights
    texels = mesh.face_colors
    frames = []
    for camera, light in zip(cameras, lights, strict=True):
        window = window_of(mesh, camera, config)
        samples = _trace(scene, corners, texels, camera, window, config)
        frames.append(develop(_expose(samples, camera, light, window, config), window, config))
    images, depth, normals = (np.stack(part) for part in zip(*frames, strict=True))
    return Views(images=images, depth=depth, normals=normals)


def _trace(
    scene: RayScene,
    corners: np.ndarray,
    texels: FaceColors | None,
    camera: np.ndarray,
    window: Window,
    config: ViewConfig,
) -> _Samples:
    side = config.resolution * config.supersample
    axis = ((np.arange(side, dtype=np.float32) + 0.5) * (2 / side) - 1) * np.float32(config.half_tangent)
    down, right = (
        axis[part.start * config.supersample : part.stop * config.supersample] for part in (window.rows, window.columns)
    )
    rotation = camera[:3, :3].astype(np.float32)
    directions = right[:, None] * rotation[:, 0] - rotation[:, 2] - down[:, None, None] * rotation[:, 1]
    hits = scene.cast(camera[:3, 3].astype(np.float32), directions)
    hit = np.flatnonzero(hits.face >= 0)
    face, uv = hits.face.reshape(-1)[hit], hits.uv.reshape(-1, 2)[hit]
    weights = np.empty((len(hit), 3), np.float32)
    weights[:, 0], weights[:, 1:] = 1 - uv[:, 0] - uv[:, 1], uv
    values = np.einsum("pkc,pk->pc", corners[face], weights)
    normals = values[:, :3]
    facing = np.einsum("px,px->p", normals, directions.reshape(-1, 3)[hit])
    length = np.sqrt(np.einsum("px,px->p", normals, normals))
    normals = normals * (np.where(facing > 0, -1, 1) / np.maximum(length, 1e-9))[:, None].astype(np.float32)
    colors = values[:, 3:]
    if texels is not None and len(hit):
        which, seen, shares = texels.look_up(face, weights)
        colors[which] = np.einsum("kc,kcx->kx", shares, reflected(seen))
    return _Samples(index=hit, depth=hits.distance.reshape(-1)[hit], normals=normals, colors=colors)


def _expose(samples: _Samples, camera: np.ndarray, light: np.ndarray, window: Window, config: ViewConfig) -> PixelSums:
    """Light the samples and add them up to pixels."""
    height, width = (length * config.supersample for length in window.shape)
    sky, headlight = light.tolist()
    shade = diffuse_light(samples.normals, camera[:3, :3], sky=sky, headlight=headlight)
    sums = np.zeros((height * width, 7), np.float32)  # linear colour, coverage, normal
    sums[samples.index, :3] = samples.colors * shade[:, None]
    sums[samples.index, 3] = 1
    sums[samples.index, 4:] = samples.normals
    depth = np.full(height * width, np.inf, np.float32)
    depth[samples.index] = samples.depth
    sums = _pool(sums.reshape(height, width, 7), config.supersample, np.add)
    depth = _pool(depth.reshape(height, width), config.supersample, np.minimum)
    return PixelSums(light=sums[..., :4], normals=sums[..., 4:], depth=depth)


def _pool(values: np.ndarray, factor: int, combine: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """Combine each factor x factor block of [H, W, ...]."""
    rows = values[::factor]
    for offset in range(1, factor):
        rows = combine(rows, values[offset::factor])
    columns = rows[:, ::factor]
    for offset in range(1, factor):
        columns = combine(columns, rows[:, offset::factor])
    return columns
