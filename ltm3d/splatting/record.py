"""The record of 3D Gaussians, and the table of parameters that kernels work on.

Letters: G Gaussians.
"""

from dataclasses import dataclass

import numpy as np

NUM_PARAMETERS = 14  # of one Gaussian: mean 3, log_scale 3, quat 4, opacity_logit 1, color 3
MEANS, LOG_SCALES, QUATS, OPACITY_LOGIT, COLORS = slice(0, 3), slice(3, 6), slice(6, 10), 10, slice(11, 14)
_SHAPES = {"means": (3,), "log_scales": (3,), "quats": (4,), "opacity_logits": (), "colors": (3,)}


@dataclass(frozen=True, eq=False)
class Gaussians:
    """Coloured Gaussians in the normalised frame, float32.

    Attributes:
        means: centres [G, 3].
        log_scales: natural logarithm of the standard deviations along the own axes [G, 3].
        quats: own axes to world, wxyz [G, 4]; of any length, as only the direction counts.
        opacity_logits: opacity = 1 / (1 + exp(-logit)) [G].
        colors: the same from all sides (degree 0), sRGB in [0, 1], blended as they are, as 3DGS does [G, 3].
    """

    means: np.ndarray
    log_scales: np.ndarray
    quats: np.ndarray
    opacity_logits: np.ndarray
    colors: np.ndarray

    def __post_init__(self) -> None:
        for name, rest in _SHAPES.items():
            array = np.ascontiguousarray(getattr(self, name), dtype=np.float32)
            if array.shape != (len(self.means), *rest):
                raise ValueError(f"{name} have the shape {array.shape}; expected {(len(self.means), *rest)}")
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.means)

    @property
    def scales(self) -> np.ndarray:
        """Standard deviations along the own axes [G, 3]."""
        return np.exp(self.log_scales)

    @property
    def opacities(self) -> np.ndarray:
        """Opacities in (0, 1) [G]."""
        return 1 / (1 + np.exp(-self.opacity_logits))


def to_parameters(gaussians: Gaussians) -> np.ndarray:
    """Return the table [G, 14]: mean, log_scale, quat, opacity_logit, color."""
    logits = gaussians.opacity_logits[:, None]
    columns = [gaussians.means, gaussians.log_scales, gaussians.quats, logits, gaussians.colors]
    return np.concatenate(columns, axis=1)


def from_parameters(parameters: np.ndarray) -> Gaussians:
    """Take a table [G, 14] apart."""
    if parameters.ndim != 2 or parameters.shape[1] != NUM_PARAMETERS:
        raise ValueError(f"parameters have the shape {parameters.shape}; expected [G, {NUM_PARAMETERS}]")
    return Gaussians(
        means=parameters[:, MEANS],
        log_scales=parameters[:, LOG_SCALES],
        quats=parameters[:, QUATS],
        opacity_logits=parameters[:, OPACITY_LOGIT],
        colors=parameters[:, COLORS],
    )
