"""Fitting a fixed number of Gaussians to pictures of one object, on one CPU thread.

Letters: G Gaussians, V views, H W pixels.
"""

import math
import time
from dataclasses import dataclass

import numpy as np

from ltm3d.errors import ConfigError
from ltm3d.splatting.adam import Adam
from ltm3d.splatting.camera import pinhole
from ltm3d.splatting.picture_loss import absolute_error, measure_psnr, premultiply
from ltm3d.splatting.rasterize import rasterize, rasterize_backward, to_blocks
from ltm3d.splatting.record import (
    COLORS,
    LOG_SCALES,
    MEANS,
    NUM_PARAMETERS,
    OPACITY_LOGIT,
    QUATS,
    Gaussians,
    from_parameters,
    to_parameters,
)

_MIN_SCALE, _MAX_SCALE = 1e-4, 1.0  # standard deviations, normalised units
_MAX_LOGIT = 12.0


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """How Gaussians are fitted.

    Attributes:
        num_steps: steps of Adam; each sees one view, over a random background colour.
        num_held_out: views that are only measured, spread evenly among all.
        means_rate, scales_rate, quats_rate, opacity_rate, colors_rate: learning rates of each parameter at first; of
            the means in normalised units, of the scales in their logarithm, of the opacities in their logit.
        final_rate: share of the learning rates that is left at the end; they fall exponentially.
    """

    num_steps: int = 300
    num_held_out: int = 4
    means_rate: float = 3e-3
    scales_rate: float = 1e-2
    quats_rate: float = 1e-2
    opacity_rate: float = 5e-2
    colors_rate: float = 1e-2
    final_rate: float = 0.1

    def __post_init__(self) -> None:
        rates = ("means_rate", "scales_rate", "quats_rate", "opacity_rate", "colors_rate")
        checks = (
            (0 <= self.num_steps <= 1_000_000, "num_steps", "0 to 1,000,000"),
            (0 <= self.num_held_out <= 1000, "num_held_out", "0 to 1,000"),
            *((0 <= getattr(self, name) <= 1, name, "0 to 1") for name in rates),
            (0 < self.final_rate <= 1, "final_rate", "more than 0, at most 1"),
        )
        for holds, name, limit in checks:
            if not holds:
                raise ConfigError(f"{name} {getattr(self, name)} is out of range; use {limit}")

    @property
    def rates(self) -> np.ndarray:
        """Learning rates of the columns of the table of parameters [14]."""
        rates = np.empty(NUM_PARAMETERS)
        rates[MEANS], rates[LOG_SCALES], rates[QUATS] = self.means_rate, self.scales_rate, self.quats_rate
        rates[OPACITY_LOGIT], rates[COLORS] = self.opacity_rate, self.colors_rate
        return rates


@dataclass(frozen=True, kw_only=True)
class FitReport:
    """How a fit went.

    Attributes:
        psnr_fitted, psnr_held_out: means over views, dB, see `pictures.measure_psnr`; NaN without such views.
        cpu_seconds: of this process, for the fit without measuring; for logs, never for what is stored.
    """

    psnr_fitted: float
    psnr_held_out: float
    num_steps: int
    cpu_seconds: float


def fit(
    initial: Gaussians, images: np.ndarray, cameras: np.ndarray, *, field_of_view: float, config: FitConfig, seed: int
) -> tuple[Gaussians, FitReport]:
    """Fit Gaussians to pictures by Adam on the absolute error; their number stays. Same input and seed, same bytes.

    Args:
        images: uint8 [V, H, W, 4], H = W, sRGB with straight alpha.
        cameras: camera to world, OpenGL axes [V, 4, 4].
        field_of_view: of the whole picture, degrees.
        seed: of the order of views and of the backgrounds.
    """
    _check_views(images, cameras, config)
    started = time.process_time()
    rgbas = premultiply(images)
    held_out = held_out_views(len(rgbas), config.num_held_out)
    parameters = _optimize(to_parameters(initial), rgbas[~held_out], cameras[~held_out], field_of_view, config, seed)
    cpu_seconds = time.process_time() - started
    psnr = measure_psnr(parameters, rgbas, cameras, field_of_view=field_of_view)
    report = FitReport(
        psnr_fitted=float(psnr[~held_out].mean()),
        psnr_held_out=float(psnr[held_out].mean()) if held_out.any() else math.nan,
        num_steps=config.num_steps,
        cpu_seconds=cpu_seconds,
    )
    return from_parameters(parameters), report


def held_out_views(num_views: int, num_held_out: int) -> np.ndarray:
    """Say which views are only measured, bool [V]: the middle one of each of `num_held_out` equal runs."""
    held_out = np.zeros(num_views, bool)
    held_out[(np.arange(num_held_out) * 2 + 1) * num_views // (2 * max(num_held_out, 1))] = True
    return held_out


def _optimize(
    parameters: np.ndarray, rgbas: np.ndarray, cameras: np.ndarray, field_of_view: float, config: FitConfig, seed: int
) -> np.ndarray:
    rng = np.random.default_rng(seed)
    resolution = rgbas.shape[1]
    views = [pinhole(camera, field_of_view=field_of_view, resolution=resolution) for camera in cameras]
    adam = Adam((len(parameters), NUM_PARAMETERS), low=_bounds(-1.0), high=_bounds(1.0))
    targets = to_blocks(rgbas)
    block_gradient = np.empty_like(targets[0])
    waiting: list[int] = []
    for step in range(config.num_steps):
        waiting = waiting or rng.permutation(len(views)).tolist()
        view = waiting.pop()
        background = rng.random(3, dtype=np.float32)
        drawing = rasterize(parameters, views[view])
        absolute_error(drawing.blocks, targets[view], background, block_gradient)
        gradient = rasterize_backward(parameters, views[view], drawing, block_gradient)
        adam.step(parameters, gradient, config.rates * config.final_rate ** (step / config.num_steps))
    parameters[:, QUATS] /= np.maximum(np.linalg.norm(parameters[:, QUATS], axis=1, keepdims=True), 1e-12)
    return parameters


def _bounds(sign: float) -> np.ndarray:
    """Return the lower (-1) or upper (1) bounds of the columns [14]: a cube, scales, logits, colours."""
    bounds = np.full(NUM_PARAMETERS, sign * np.inf)
    bounds[MEANS] = sign
    bounds[LOG_SCALES] = math.log(_MIN_SCALE if sign < 0 else _MAX_SCALE)
    bounds[OPACITY_LOGIT] = sign * _MAX_LOGIT
    bounds[COLORS] = max(sign, 0.0)
    return bounds


def _check_views(images: np.ndarray, cameras: np.ndarray, config: FitConfig) -> None:
    if images.ndim != 4 or images.shape[1] != images.shape[2] or images.shape[3] != 4 or images.dtype != np.uint8:
        raise ValueError(f"images are {images.dtype} {images.shape}; expected uint8 [V, H, W, 4] with H = W")
    if cameras.shape != (len(images), 4, 4):
        raise ValueError(f"cameras have the shape {cameras.shape}; expected ({len(images)}, 4, 4)")
    if len(images) <= config.num_held_out:
        raise ConfigError(f"num_held_out {config.num_held_out} leaves none of {len(images)} views; use fewer")
