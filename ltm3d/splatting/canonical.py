"""One record for one set of Gaussians: order, axes and signs without a choice.

A Gaussian stays the same when its axes change places or turn around, 24 rotations in all, and a set stays the same in
any order. A network that is to learn these numbers should see one of them only.
"""

import numpy as np
from scipy.spatial.transform import Rotation

from ltm3d.geometry.morton import morton_order
from ltm3d.splatting.record import Gaussians


def canonicalize(gaussians: Gaussians) -> Gaussians:
    """Sort along the Z-order curve of the means; longest axis first; the unit quaternion with the largest w > 0.

    What is drawn stays the same, up to rounding and the order of equal depths.
    """
    order = morton_order(gaussians.means)
    log_scales, quats = longest_axis_first(gaussians.log_scales[order], gaussians.quats[order])
    return Gaussians(
        means=gaussians.means[order],
        log_scales=log_scales,
        quats=nearest_to_identity(quats),
        opacity_logits=gaussians.opacity_logits[order],
        colors=gaussians.colors[order],
    )


def longest_axis_first(log_scales: np.ndarray, quats: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Let the own axes change places: log_scales [G, 3], falling, and the unit quats [G, 4] that go with them."""
    if not len(quats):
        return log_scales, quats
    places = np.argsort(-log_scales, axis=1, kind="stable")
    axes = Rotation.from_quat(quats, scalar_first=True).as_matrix()  # columns are the own axes
    axes = np.take_along_axis(axes, places[:, None, :], axis=2)
    axes[:, :, 2] *= np.linalg.det(axes)[:, None]  # an odd change of places mirrors
    sorted_scales = np.take_along_axis(log_scales, places, axis=1)
    return sorted_scales, Rotation.from_matrix(axes).as_quat(scalar_first=True).astype(np.float32)


def nearest_to_identity(quats: np.ndarray) -> np.ndarray:
    """Turn unit quats [G, 4] by half turns around their own axes, q · {1, i, j, k}, until w is the largest, and > 0."""
    w, x, y, z = quats.T
    turned = np.stack([quats.T, [-x, w, z, -y], [-y, -z, w, x], [-z, y, -x, w]])  # [4 turns, 4, G]
    best = np.abs(turned[:, 0]).argmax(axis=0)
    chosen = turned[best, :, np.arange(len(quats))]  # [G, 4]
    return chosen * np.where(chosen[:, :1] < 0, np.float32(-1), np.float32(1))
