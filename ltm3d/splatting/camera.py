"""The pinhole camera that all rasterisers share.

A camera is camera-to-world [4, 4] with OpenGL axes (x right, y up, looking along -z). Projection works in the axes of
OpenCV: x right, y down, z = depth. Pictures are square; the middle of the pixel in row i, column j is (j + ½, i + ½).
"""

import math
from dataclasses import dataclass

import numpy as np

NEAR = 0.01  # what is nearer is not drawn
DILATION = 0.3  # added to the variance of a projected Gaussian, pixels², so that none falls between pixels
LIMIT = 1.3  # of the picture's half width: beyond it the projection is linearised at the limit
MIN_ALPHA = 1 / 255  # what is fainter is not drawn
MAX_ALPHA = 0.999
MIN_TRANSMITTANCE = 1e-4  # a Gaussian that would leave less, and all behind it, are not drawn


@dataclass(frozen=True, eq=False)
class Pinhole:
    """A camera as projection needs it.

    Attributes:
        rotation: world to OpenCV axes, float64 [3, 3].
        eye: position, float64 [3].
        focal: focal length in pixels.
        half_tangent: half the picture's width at depth 1.
        resolution: pixels along a side.
    """

    rotation: np.ndarray
    eye: np.ndarray
    focal: float
    half_tangent: float
    resolution: int


def pinhole(camera: np.ndarray, *, field_of_view: float, resolution: int) -> Pinhole:
    """Make the pinhole of a camera [4, 4] whose whole picture spans `field_of_view` degrees."""
    if camera.shape != (4, 4):
        raise ValueError(f"the camera has the shape {camera.shape}; expected [4, 4], camera to world")
    half_tangent = math.tan(math.radians(field_of_view) / 2)
    axes = camera[:3, :3].astype(np.float64) * np.array([1.0, -1.0, -1.0])
    return Pinhole(
        rotation=np.ascontiguousarray(axes.T),
        eye=camera[:3, 3].astype(np.float64),
        focal=resolution / (2 * half_tangent),
        half_tangent=half_tangent,
        resolution=resolution,
    )
