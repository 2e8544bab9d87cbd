"""What pictures with depth say of points on the surface: which are seen at all, and their colour.

Letters: N points, V views, H W pixels.
"""

from dataclasses import dataclass

import numpy as np

from ltm3d.splatting.camera import NEAR, pinhole

_TOLERANCE = 0.02  # in depth, normalised units: a pixel of a slanted surface spans as much


@dataclass(frozen=True, eq=False)
class Sightings:
    """In how many views each point is seen, int64 [N], and its mean colour there, sRGB uint8 [N, 3]; 0 where none."""

    count: np.ndarray
    colors: np.ndarray


def look_up(
    points: np.ndarray, images: np.ndarray, depth: np.ndarray, cameras: np.ndarray, *, field_of_view: float
) -> Sightings:
    """Project points [N, 3] into pictures; a point is seen where the picture's depth is its own.

    Args:
        images: uint8 [V, H, W, 4], sRGB with straight alpha.
        depth: along the optical axis [V, H, W]; 0 = background.
        cameras: camera to world, OpenGL axes [V, 4, 4].
    """
    count, total = np.zeros(len(points), np.int64), np.zeros((len(points), 3), np.float32)
    for image, surface, camera in zip(images, depth, cameras, strict=True):
        view = pinhole(camera, field_of_view=field_of_view, resolution=image.shape[1])
        seen = (points - view.eye.astype(np.float32)) @ view.rotation.T.astype(np.float32)
        place = view.focal * seen[:, :2] / np.maximum(seen[:, 2:], NEAR) + view.resolution / 2
        column, row = np.floor(place).astype(np.int64).T
        inside = (np.minimum(column, row) >= 0) & (np.maximum(column, row) < view.resolution) & (seen[:, 2] > NEAR)
        index = np.flatnonzero(inside)
        pixel = row[index], column[index]
        hit = (surface[pixel] > 0) & (np.abs(surface[pixel].astype(np.float32) - seen[index, 2]) < _TOLERANCE)
        index = index[hit]
        count[index] += 1
        total[index] += image[pixel][hit][:, :3]
    colors = np.rint(total / np.maximum(count, 1)[:, None]).astype(np.uint8)
    return Sightings(count=count, colors=colors)
