"""Compiled projection of Gaussians to splats, and its gradient. The equations stand in `reference.project`.

A splat is a row of 11: center u, v; inverse covariance a, b, c; opacity; half width and half height of its ellipse;
color. The gradient of a splat is a row of 9: u, v, a, b, c, opacity, color.
"""

import math

import numpy as np

from ltm3d.compilation import compiled
from ltm3d.splatting.camera import DILATION, LIMIT, MIN_ALPHA, NEAR

SPLAT_WIDTH, SPLAT_GRADIENT_WIDTH = 11, 9


@compiled()
def project(
    parameters: np.ndarray,
    rotation: np.ndarray,
    eye: np.ndarray,
    focal: float,
    half_tangent: float,
    resolution: int,
    splats: np.ndarray,
    depth: np.ndarray,
) -> None:
    """Fill splats [G, 11] and depth [G] of parameters [G, 14]; depth is infinite where nothing is to be drawn.

    α ≥ 1/255 holds inside the ellipse ½ dᵀ Σ'⁻¹ d ≤ ln(255 o), whose half width is √(2 ln(255 o) Σ'_uu).
    """
    limit = LIMIT * half_tangent
    for i in range(len(parameters)):
        depth[i] = np.inf
        x, y, z = parameters[i, 0] - eye[0], parameters[i, 1] - eye[1], parameters[i, 2] - eye[2]
        tz = rotation[2, 0] * x + rotation[2, 1] * y + rotation[2, 2] * z
        opacity = 1 / (1 + math.exp(-np.float64(parameters[i, 10])))
        if tz <= NEAR or opacity < MIN_ALPHA:
            continue
        tx = rotation[0, 0] * x + rotation[0, 1] * y + rotation[0, 2] * z
        ty = rotation[1, 0] * x + rotation[1, 1] * y + rotation[1, 2] * z
        u, v = focal * tx / tz + resolution / 2, focal * ty / tz + resolution / 2
        slope_x, slope_y = min(max(tx / tz, -limit), limit), min(max(ty / tz, -limit), limit)

        qw, qx, qy, qz = np.float64(parameters[i, 6]), parameters[i, 7], parameters[i, 8], parameters[i, 9]
        norm = 1 / math.sqrt(qw * qw + qx * qx + qy * qy + qz * qz)
        qw, qx, qy, qz = qw * norm, qx * norm, qy * norm, qz * norm
        # the columns of R are the own axes in the world
        own = (
            (1 - 2 * (qy * qy + qz * qz), 2 * (qx * qy + qw * qz), 2 * (qx * qz - qw * qy)),
            (2 * (qx * qy - qw * qz), 1 - 2 * (qx * qx + qz * qz), 2 * (qy * qz + qw * qx)),
            (2 * (qx * qz + qw * qy), 2 * (qy * qz - qw * qx), 1 - 2 * (qx * qx + qy * qy)),
        )
        s_uu, s_uv, s_vv = DILATION, 0.0, DILATION
        for k in range(3):  # Σ' = Σ_k (J W r_k s_k)(J W r_k s_k)ᵀ + 0.3 I
            rx, ry, rz = own[k]
            cx = rotation[0, 0] * rx + rotation[0, 1] * ry + rotation[0, 2] * rz
            cy = rotation[1, 0] * rx + rotation[1, 1] * ry + rotation[1, 2] * rz
            cz = rotation[2, 0] * rx + rotation[2, 1] * ry + rotation[2, 2] * rz
            scale = math.exp(np.float64(parameters[i, 3 + k])) * focal / tz
            bu, bv = (cx - slope_x * cz) * scale, (cy - slope_y * cz) * scale
            s_uu, s_uv, s_vv = s_uu + bu * bu, s_uv + bu * bv, s_vv + bv * bv
        reach = math.sqrt(2 * math.log(opacity / MIN_ALPHA))
        half_width, half_height = reach * math.sqrt(s_uu), reach * math.sqrt(s_vv)
        if u + half_width < 0.5 or u - half_width > resolution - 0.5:
            continue
        if v + half_height < 0.5 or v - half_height > resolution - 0.5:
            continue
        determinant = s_uu * s_vv - s_uv * s_uv
        splats[i, 0], splats[i, 1] = u, v
        splats[i, 2], splats[i, 3], splats[i, 4] = s_vv / determinant, -s_uv / determinant, s_uu / determinant
        splats[i, 5], splats[i, 6], splats[i, 7] = opacity, half_width, half_height
        for k in range(3):
            splats[i, 8 + k] = parameters[i, 11 + k]
        depth[i] = tz


@compiled()
def project_backward(
    parameters: np.ndarray,
    rotation: np.ndarray,
    eye: np.ndarray,
    focal: float,
    half_tangent: float,
    splats: np.ndarray,
    order: np.ndarray,
    splat_gradient: np.ndarray,
    gradient: np.ndarray,
) -> None:
    """Fill the rows of gradient [G, 14] named by order [K] from splat_gradient [G, 9]; other rows stay.

    With Q = Σ'⁻¹ and the columns b_k = s_k J W r_k of Σ' = Σ_k b_k b_kᵀ + 0.3 I:

        ∂Σ' = −Q ∂Q Q      ∂b_k = 2 ∂Σ' b_k      ∂log s_k = b_k · ∂b_k      ∂r_k = s_k (J W)ᵀ ∂b_k
        ∂J = Σ_k ∂b_k (s_k W r_k)ᵀ      ∂q = (∂q̂ − q̂ (q̂ · ∂q̂)) / |q|
    """
    limit = LIMIT * half_tangent
    world = np.empty((3, 3))  # row k: gradient of the own axis r_k
    for i in order:
        g_u, g_v, g_a, g_b, g_c = (
            np.float64(splat_gradient[i, 0]),
            np.float64(splat_gradient[i, 1]),
            np.float64(splat_gradient[i, 2]),
            np.float64(splat_gradient[i, 3]) / 2,  # b stands twice in Q
            np.float64(splat_gradient[i, 4]),
        )
        opacity = np.float64(splats[i, 5])
        gradient[i, 10] = splat_gradient[i, 5] * opacity * (1 - opacity)
        for k in range(3):
            gradient[i, 11 + k] = splat_gradient[i, 6 + k]

        a, b, c = np.float64(splats[i, 2]), np.float64(splats[i, 3]), np.float64(splats[i, 4])
        left, middle_u, middle_v, right = a * g_a + b * g_b, a * g_b + b * g_c, b * g_a + c * g_b, b * g_b + c * g_c
        d_uu, d_uv, d_vv = -(left * a + middle_u * b), -(left * b + middle_u * c), -(middle_v * b + right * c)

        x, y, z = parameters[i, 0] - eye[0], parameters[i, 1] - eye[1], parameters[i, 2] - eye[2]
        tx = rotation[0, 0] * x + rotation[0, 1] * y + rotation[0, 2] * z
        ty = rotation[1, 0] * x + rotation[1, 1] * y + rotation[1, 2] * z
        tz = rotation[2, 0] * x + rotation[2, 1] * y + rotation[2, 2] * z
        slope_x, slope_y = min(max(tx / tz, -limit), limit), min(max(ty / tz, -limit), limit)
        zoom = focal / tz  # J = zoom · [[1, 0, −slope_x], [0, 1, −slope_y]]

        qw, qx, qy, qz = np.float64(parameters[i, 6]), parameters[i, 7], parameters[i, 8], parameters[i, 9]
        norm = 1 / math.sqrt(qw * qw + qx * qx + qy * qy + qz * qz)
        qw, qx, qy, qz = qw * norm, qx * norm, qy * norm, qz * norm
        own = (
            (1 - 2 * (qy * qy + qz * qz), 2 * (qx * qy + qw * qz), 2 * (qx * qz - qw * qy)),
            (2 * (qx * qy - qw * qz), 1 - 2 * (qx * qx + qz * qz), 2 * (qy * qz + qw * qx)),
            (2 * (qx * qz + qw * qy), 2 * (qy * qz - qw * qx), 1 - 2 * (qx * qx + qy * qy)),
        )
        g_zoom, g_slope_x, g_slope_y = 0.0, 0.0, 0.0
        for k in range(3):
            rx, ry, rz = own[k]
            cx = rotation[0, 0] * rx + rotation[0, 1] * ry + rotation[0, 2] * rz
            cy = rotation[1, 0] * rx + rotation[1, 1] * ry + rotation[1, 2] * rz
            cz = rotation[2, 0] * rx + rotation[2, 1] * ry + rotation[2, 2] * rz
            scale = math.exp(np.float64(parameters[i, 3 + k])) * zoom
            bu, bv = (cx - slope_x * cz) * scale, (cy - slope_y * cz) * scale
            g_bu, g_bv = 2 * (d_uu * bu + d_uv * bv), 2 * (d_uv * bu + d_vv * bv)
            along = bu * g_bu + bv * g_bv
            gradient[i, 3 + k] = along
            g_zoom += along / zoom
            g_bu, g_bv = g_bu * scale, g_bv * scale
            g_slope_x, g_slope_y = g_slope_x - g_bu * cz, g_slope_y - g_bv * cz
            g_cz = -slope_x * g_bu - slope_y * g_bv
            for n in range(3):
                world[k, n] = rotation[0, n] * g_bu + rotation[1, n] * g_bv + rotation[2, n] * g_cz

        g_tx, g_ty, g_tz = zoom * g_u, zoom * g_v, -(zoom / tz) * (g_zoom + tx * g_u + ty * g_v)
        if -limit < tx / tz < limit:
            g_tx, g_tz = g_tx + g_slope_x / tz, g_tz - g_slope_x * tx / (tz * tz)
        if -limit < ty / tz < limit:
            g_ty, g_tz = g_ty + g_slope_y / tz, g_tz - g_slope_y * ty / (tz * tz)
        for n in range(3):
            gradient[i, n] = rotation[0, n] * g_tx + rotation[1, n] * g_ty + rotation[2, n] * g_tz

        g_qw = 2 * (
            qz * (world[0, 1] - world[1, 0]) + qy * (world[2, 0] - world[0, 2]) + qx * (world[1, 2] - world[2, 1])
        )
        g_qx = 2 * (
            qy * (world[0, 1] + world[1, 0]) + qz * (world[0, 2] + world[2, 0]) + qw * (world[1, 2] - world[2, 1])
        ) - 4 * qx * (world[1, 1] + world[2, 2])
        g_qy = 2 * (
            qx * (world[0, 1] + world[1, 0]) + qz * (world[1, 2] + world[2, 1]) + qw * (world[2, 0] - world[0, 2])
        ) - 4 * qy * (world[0, 0] + world[2, 2])
        g_qz = 2 * (
            qx * (world[0, 2] + world[2, 0]) + qy * (world[1, 2] + world[2, 1]) + qw * (world[0, 1] - world[1, 0])
        ) - 4 * qz * (world[0, 0] + world[1, 1])
        radial = qw * g_qw + qx * g_qx + qy * g_qy + qz * g_qz
        gradient[i, 6], gradient[i, 7] = (g_qw - qw * radial) * norm, (g_qx - qx * radial) * norm
        gradient[i, 8], gradient[i, 9] = (g_qy - qy * radial) * norm, (g_qz - qz * radial) * norm
