"""Gaussians of a stretched object: Σ' = S Σ S for a stretch S along the axes, which may mirror."""

import numpy as np
from scipy.spatial.transform import Rotation

from ltm3d.splatting.canonical import nearest_to_identity
from ltm3d.splatting.record import Gaussians


def stretch_gaussians(gaussians: Gaussians, stretch: np.ndarray) -> Gaussians:
    """Scale the axes by `stretch` [3], negative = mirrored; own axes stay in the canonical order and signs.

    With Σ = (R D)(R D)ᵀ, the new axes and scales are the singular vectors and values of S R D; the order of the
    Gaussians stays.
    """
    axes = Rotation.from_quat(gaussians.quats, scalar_first=True).as_matrix()
    turned, scales, _ = np.linalg.svd(stretch[:, None] * axes * gaussians.scales[:, None, :])  # scales fall
    turned[:, :, 2] *= np.linalg.det(turned)[:, None]
    quats = Rotation.from_matrix(turned).as_quat(scalar_first=True).astype(np.float32)
    return Gaussians(
        means=gaussians.means * stretch,
        log_scales=np.log(np.maximum(scales, 1e-8)),
        quats=nearest_to_identity(quats),
        opacity_logits=gaussians.opacity_logits,
        colors=gaussians.colors,
    )
