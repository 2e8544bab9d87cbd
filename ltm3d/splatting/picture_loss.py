"""Gaussians against pictures: loss and PSNR.

Letters: V views, H W pixels.
"""

import math

import numpy as np

from ltm3d.compilation import compiled
from ltm3d.splatting.camera import pinhole
from ltm3d.splatting.rasterize import rasterize


def premultiply(images: np.ndarray) -> np.ndarray:
    """Return rgbas for pictures uint8 [V, H, W, 4], sRGB with straight alpha: float32 [V, H, W, 4]."""
    rgbas = images.astype(np.float32) * np.float32(1 / 255)
    rgbas[..., :3] *= rgbas[..., 3:]
    return rgbas


@compiled()
def absolute_error(blocks: np.ndarray, target: np.ndarray, background: np.ndarray, gradient: np.ndarray) -> float:
    """Return the mean over pixels and colours of |C − C*|; fill its gradient with respect to the rgba.

    C = rgb + (1 − A) · background; rgba, target and gradient lie in blocks [R, C, 4, 8], see `rasterize.to_blocks`.

    Args:
        background: the colour that both are laid over, float32 [3].
    """
    num_values = 3 * blocks.shape[0] * blocks.shape[1] * blocks.shape[3]
    share, total = np.float32(1 / num_values), np.float32(0)
    for row in range(blocks.shape[0]):
        for column in range(blocks.shape[1]):
            rgba, goal, slope = blocks[row, column], target[row, column], gradient[row, column]
            for lane in range(rgba.shape[1]):
                covered, slope[3, lane] = rgba[3, lane] - goal[3, lane], np.float32(0)
                for n in range(3):
                    error = rgba[n, lane] - goal[n, lane] - covered * background[n]
                    sign = np.float32(error > 0) - np.float32(error < 0)
                    total += abs(error)
                    slope[n, lane] = share * sign
                    slope[3, lane] -= share * sign * background[n]
    return float(total * share)


def measure_psnr(parameters: np.ndarray, rgbas: np.ndarray, cameras: np.ndarray, *, field_of_view: float) -> np.ndarray:
    """Return the PSNR of each view in dB [V]: of all pixels, colours in [0, 1], over black and over white together.

    Both backgrounds, so that what is transparent where it should not be counts, whatever the object's colour.

    Args:
        parameters: float32 [G, 14].
        rgbas: the pictures, see `premultiply` [V, H, W, 4].
    """
    values = []
    for rgba, camera in zip(rgbas, cameras, strict=True):
        view = pinhole(camera, field_of_view=field_of_view, resolution=rgba.shape[1])
        drawn = rasterize(parameters, view).rgba
        over_black = np.clip(drawn[..., :3], 0, 1) - rgba[..., :3]
        over_white = np.clip(drawn[..., :3] + 1 - drawn[..., 3:], 0, 1) - (rgba[..., :3] + 1 - rgba[..., 3:])
        error = (np.square(over_black).mean(dtype=np.float64) + np.square(over_white).mean(dtype=np.float64)) / 2
        values.append(-10 * math.log10(max(error, 1e-10)))
    return np.array(values)
