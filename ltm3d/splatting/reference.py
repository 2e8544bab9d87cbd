"""The slow, readable rasteriser in torch: what the fast ones are tested against.

Letters: G Gaussians, H W pixels. The constants in `camera.py` are gsplat's.
"""

import torch
from torch import Tensor

from ltm3d.splatting.camera import (
    DILATION,
    LIMIT,
    MAX_ALPHA,
    MIN_ALPHA,
    MIN_TRANSMITTANCE,
    NEAR,
    Pinhole,
)
from ltm3d.splatting.record import COLORS, LOG_SCALES, MEANS, OPACITY_LOGIT, QUATS


def rasterize(parameters: Tensor, view: Pinhole) -> Tensor:
    """Draw a table of Gaussians [G, 14]: colours times alpha, and alpha, [H, W, 4]; differentiable.

    Front to back, with w_i = α_i T_i and T_i = Π_{j<i} (1 − α_j):

        C = Σ w_i c_i      A = Σ w_i = 1 − T_end
    """
    depth, center, covariance = project(parameters, view)
    drawn = torch.nonzero(depth > NEAR)[:, 0]
    order = drawn[torch.argsort(depth[drawn], stable=True)]
    alpha = pixel_alpha(parameters[order, OPACITY_LOGIT].sigmoid(), center[order], covariance[order], view.resolution)
    alpha = alpha * (torch.cumprod(1 - alpha, dim=0) > MIN_TRANSMITTANCE)
    behind = torch.cumprod(1 - alpha, dim=0)  # transmittance after each Gaussian [G, H, W]
    before = torch.cat([torch.ones_like(behind[:1]), behind[:-1]])
    weights = alpha * before
    color = torch.einsum("ghw,gc->hwc", weights, parameters[order, COLORS])
    return torch.cat([color, weights.sum(dim=0)[..., None]], dim=2)


def project(parameters: Tensor, view: Pinhole) -> tuple[Tensor, Tensor, Tensor]:
    """Return depth [G], centre in pixels [G, 2] and covariance in pixels² [G, 2, 2].

    Elliptical weighted averaging (Zwicker et al. 2001): the projection π(t) = f (t_x, t_y) / t_z + W/2 is made linear
    at the Gaussian's centre t = W (μ − eye), with s the scales and R the rotation of its unit quaternion:

        Σ = R diag(s)² Rᵀ      Σ' = J W Σ Wᵀ Jᵀ + 0.3 I      J = f / t_z · [[1, 0, −t_x / t_z], [0, 1, −t_y / t_z]]

    In J, t_x / t_z and t_y / t_z stay within 1.3 half widths of the picture.
    """
    world, eye = torch.from_numpy(view.rotation).to(parameters), torch.from_numpy(view.eye).to(parameters)
    t = (parameters[:, MEANS] - eye) @ world.T
    depth = t[:, 2]
    safe = torch.where(depth > NEAR, depth, torch.ones_like(depth))  # the others are not drawn
    center = view.focal * t[:, :2] / safe[:, None] + view.resolution / 2
    slope = (t[:, :2] / safe[:, None]).clamp(-LIMIT * view.half_tangent, LIMIT * view.half_tangent)
    zero, one = torch.zeros_like(safe), torch.ones_like(safe)
    rows = [torch.stack([one, zero, -slope[:, 0]], dim=1), torch.stack([zero, one, -slope[:, 1]], dim=1)]
    jacobian = view.focal / safe[:, None, None] * torch.stack(rows, dim=1)
    axes = rotation_matrices(parameters[:, QUATS]) * parameters[:, None, LOG_SCALES].exp()
    flat = jacobian @ world @ axes  # [G, 2, 3]
    return depth, center, flat @ flat.transpose(1, 2) + DILATION * torch.eye(2).to(parameters)


def rotation_matrices(quats: Tensor) -> Tensor:
    """Return the rotation matrices [G, 3, 3] of quaternions [G, 4], wxyz, of any length."""
    w, x, y, z = torch.nn.functional.normalize(quats, dim=1).unbind(dim=1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def pixel_alpha(opacity: Tensor, center: Tensor, covariance: Tensor, resolution: int) -> Tensor:
    """Return α = min(o · exp(−½ dᵀ Σ'⁻¹ d), 0.999) at each pixel's middle, d from the centre; [G, H, W].

    What is below 1/255 is zero.
    """
    middle = torch.arange(resolution, dtype=opacity.dtype, device=opacity.device) + 0.5
    dx = middle[None, None, :] - center[:, 0, None, None]
    dy = middle[None, :, None] - center[:, 1, None, None]
    inverse = torch.linalg.inv(covariance)[:, :, :, None, None]
    power = (inverse[:, 0, 0] * dx * dx + inverse[:, 1, 1] * dy * dy) / 2 + inverse[:, 0, 1] * dx * dy
    alpha = (opacity[:, None, None] * torch.exp(-power)).clamp(max=MAX_ALPHA)
    return torch.where(alpha >= MIN_ALPHA, alpha, torch.zeros_like(alpha))
