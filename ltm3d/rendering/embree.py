"""The reference renderer: Embree rays, diffuse light, no display needed."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ltm3d.geometry.base_color import srgb_to_linear
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.raycasting import RayScene
from ltm3d.rendering.cameras import ViewConfig
from ltm3d.rendering.shading import corner_normals, diffuse_light, fast_linear_to_srgb

GREY = 190  # of a mesh without colours, sRGB
BLACK, WHITE = 0.025, 0.85  # what is left of linear 0 and 1: shading shows on black things, and white ones stand out


@dataclass(frozen=True, eq=False)
class Views:
    """Pictures of one object.

    Attributes:
        images: uint8 [V, H, W, 4], sRGB, straight alpha = share of the pixel that is covered.
        depth: float16 [V, H, W], along the optical axis, of the nearest ray in the pixel; 0 = background.
        normals: int8 [V, H, W, 3], world frame, facing the camera, x 127; 0 = background.
    """

    images: np.ndarray
    depth: np.ndarray
    normals: np.ndarray


@dataclass(frozen=True, eq=False)
class _Samples:
    """The P rays of a picture that meet the mesh."""

    index: np.ndarray  # row-major ray number [P]
    depth: np.ndarray  # [P]
    normals: np.ndarray  # unit, facing the camera [P, 3]
    colors: np.ndarray  # linear base colour [P, 3]


def render(mesh: Mesh, cameras: np.ndarray, *, config: ViewConfig) -> Views:
    """Take a picture from each of the cameras [V, 4, 4]; `config.num_views` is not looked at."""
    scene = RayScene(mesh)
    if mesh.vertex_colors is None:
        albedo = np.full_like(mesh.vertices, srgb_to_linear(np.array(GREY)))
    else:
        albedo = srgb_to_linear(mesh.vertex_colors)
    albedo = BLACK + (WHITE - BLACK) * albedo
    corners = np.concatenate([corner_normals(mesh), albedo[mesh.faces]], axis=2)  # [F, 3, 6]
    frames = [_develop(_trace(scene, mesh, corners, camera, config), camera, config) for camera in cameras]
    images, depth, normals = (np.stack(part) for part in zip(*frames, strict=True))
    return Views(images=images, depth=depth, normals=normals)


def _trace(scene: RayScene, mesh: Mesh, corners: np.ndarray, camera: np.ndarray, config: ViewConfig) -> _Samples:
    side = config.resolution * config.supersample
    rows, columns = _covered(mesh, camera, config)
    axis = ((np.arange(side, dtype=np.float32) + 0.5) * (2 / side) - 1) * np.float32(config.half_tangent)
    rotation = camera[:3, :3].astype(np.float32)
    directions = axis[columns, None] * rotation[:, 0] - rotation[:, 2] - axis[rows, None, None] * rotation[:, 1]
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
    row, column = np.divmod(hit, columns.stop - columns.start)
    index = (row + rows.start) * side + column + columns.start
    return _Samples(index=index, depth=hits.distance.reshape(-1)[hit], normals=normals, colors=values[:, 3:])


def _develop(samples: _Samples, camera: np.ndarray, config: ViewConfig) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Put rays together to pixels: image [H, W, 4], depth [H, W], normals [H, W, 3]."""
    factor, side = config.supersample, config.resolution * config.supersample
    light = diffuse_light(samples.normals, camera[:3, :3], sky=config.sky, headlight=config.headlight)
    film = np.zeros((side * side, 7), np.float32)  # linear colour, coverage, normal
    film[samples.index, :3] = samples.colors * light[:, None]
    film[samples.index, 3] = 1
    film[samples.index, 4:] = samples.normals
    depth = np.full(side * side, np.inf, np.float32)
    depth[samples.index] = samples.depth
    film = _pool(film.reshape(side, side, 7), factor, np.add)
    depth = _pool(depth.reshape(side, side), factor, np.minimum)
    seen = film[..., 3] > 0
    pixels = film[seen]  # [P, 7]
    image = np.zeros((*seen.shape, 4), np.uint8)
    image[seen, :3] = fast_linear_to_srgb(pixels[:, :3] / pixels[:, 3:4])
    image[seen, 3] = np.rint(pixels[:, 3] * (255 / factor**2))
    normals = np.zeros((*seen.shape, 3), np.int8)
    length = np.sqrt(np.einsum("px,px->p", pixels[:, 4:], pixels[:, 4:]))
    normals[seen] = np.rint(pixels[:, 4:] * (127 / np.maximum(length, 1e-9))[:, None])
    return image, np.where(seen, depth, 0).astype(np.float16), normals


def _covered(mesh: Mesh, camera: np.ndarray, config: ViewConfig) -> tuple[slice, slice]:
    """Return the rows and columns of rays that can meet the mesh."""
    side = config.resolution * config.supersample
    seen = (mesh.vertices - camera[:3, 3]) @ camera[:3, :3]
    if not len(seen) or float(seen[:, 2].max()) > -1e-3:  # something beside or behind the camera
        return slice(0, side), slice(0, side)
    plane = seen[:, :2] / (-seen[:, 2:] * config.half_tangent)  # -1 to 1 over the picture
    (left, bottom), (right, top) = plane.min(axis=0), plane.max(axis=0)
    return _window(-float(top), -float(bottom), side), _window(float(left), float(right), side)


def _window(low: float, high: float, side: int) -> slice:
    first, last = (min(max(math.floor((edge + 1) * side / 2), -1), side) for edge in (low, high))
    start, stop = max(first - 1, 0), min(last + 2, side)
    return slice(start, max(start, stop))


def _pool(values: np.ndarray, factor: int, combine: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """Combine each factor x factor block of [H, W, ...]."""
    rows = values[::factor]
    for offset in range(1, factor):
        rows = combine(rows, values[offset::factor])
    columns = rows[:, ::factor]
    for offset in range(1, factor):
        columns = combine(columns, rows[:, offset::factor])
    return columns
