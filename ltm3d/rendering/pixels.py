"""From what the samples of a picture saw to its pixels."""

import math
from dataclasses import dataclass

import numpy as np

from ltm3d.geometry.mesh import Mesh
from ltm3d.rendering.cameras import ViewConfig
from ltm3d.rendering.shading import fast_linear_to_srgb

MARGIN = 0.5  # pixels around what a mesh is computed to cover


@dataclass(frozen=True, eq=False)
class Views:
    """Pictures of one object.

    Attributes:
        images: uint8 [V, H, W, 4], sRGB, straight alpha = share of the pixel that is covered.
        depth: float16 [V, H, W], along the optical axis, of the nearest sample in the pixel; 0 = background.
        normals: int8 [V, H, W, 3], world frame, facing the camera, x 127; 0 = background.
    """

    images: np.ndarray
    depth: np.ndarray
    normals: np.ndarray


@dataclass(frozen=True)
class Window:
    """The part of a picture that a mesh can cover, in pixels."""

    rows: slice
    columns: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start


@dataclass(frozen=True, eq=False)
class PixelSums:
    """What the samples of each pixel in a window add up to; a sample is covered where it meets the mesh.

    Attributes:
        light: float32 [h, w, 4], sum of the covered samples' linear light, and last their number.
        normals: float32 [h, w, 3], sum of their unit normals.
        depth: float32 [h, w], the smallest of their depths.

    Where no sample is covered, light and normals are 0 and the depth is any number.
    """

    light: np.ndarray
    normals: np.ndarray
    depth: np.ndarray


def window_of(mesh: Mesh, camera: np.ndarray, config: ViewConfig) -> Window:
    """Return the window of a mesh before a camera [4, 4]."""
    seen = (mesh.vertices - camera[:3, 3]) @ camera[:3, :3]
    if not len(seen) or float(seen[:, 2].max()) > -1e-3:  # something beside or behind the camera
        return Window(rows=slice(0, config.resolution), columns=slice(0, config.resolution))
    plane = seen[:, :2] / (-seen[:, 2:] * config.half_tangent)  # -1 to 1 over the picture
    (left, bottom), (right, top) = plane.min(axis=0).tolist(), plane.max(axis=0).tolist()
    return Window(rows=_pixels(-top, -bottom, config.resolution), columns=_pixels(left, right, config.resolution))


def _pixels(low: float, high: float, resolution: int) -> slice:
    first, last = ((edge + 1) * resolution / 2 for edge in (low, high))
    start, stop = max(math.floor(first - MARGIN), 0), min(math.ceil(last + MARGIN), resolution)
    return slice(min(start, resolution), max(stop, min(start, resolution)))


def develop(sums: PixelSums, window: Window, config: ViewConfig) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return one picture of `Views`: image [H, W, 4], depth [H, W], normals [H, W, 3].

    With n covered samples of light l_k and normals m_k, out of N, a pixel has

        colour = sRGB(sum l_k / n),   alpha = n / N,   normal = sum m_k / |sum m_k|.
    """
    size = (config.resolution, config.resolution)
    image, depth, normals = np.zeros((*size, 4), np.uint8), np.zeros(size, np.float16), np.zeros((*size, 3), np.int8)
    image_part, normals_part = (whole[window.rows, window.columns] for whole in (image, normals))
    count = sums.light[..., 3]
    share = np.maximum(count, 1)
    scale = 127 / np.maximum(np.sqrt(np.einsum("hwx,hwx->hw", sums.normals, sums.normals)), 1e-9)
    for channel in range(3):  # numpy is slow over a last axis of three
        image_part[..., channel] = fast_linear_to_srgb(sums.light[..., channel] / share)
        normals_part[..., channel] = np.rint(sums.normals[..., channel] * scale)
    image_part[..., 3] = np.rint(count * (255 / config.supersample**2))
    depth[window.rows, window.columns] = np.where(count > 0, sums.depth, 0)
    return image, depth, normals
