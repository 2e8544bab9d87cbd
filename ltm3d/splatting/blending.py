"""Compiled front-to-back blending of splats, and its gradient.

Splat by splat, not pixel by pixel: each is drawn over the pixels that it can reach, into one rgba that stays in the
cache. Nothing is sorted by tile, no pixel looks at a splat far from it, and the gradient of a splat is summed up on the
spot. Rows of splats and of their gradients: see `projection.py`.

A rgba lies in blocks of 4 x 2 pixels, [H / 2, W / 4, channels, 8]. The loop over a block has no branches, so that the
compiler turns it into vector instructions.
"""

import math

import numpy as np

from ltm3d.compilation import compiled
from ltm3d.splatting.camera import MAX_ALPHA, MIN_ALPHA, MIN_TRANSMITTANCE

BLOCK_WIDTH, BLOCK_HEIGHT = 4, 2
LANES = BLOCK_WIDTH * BLOCK_HEIGHT
_ZERO, _HALF, _ONE, _TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
_MIN_ALPHA, _MAX_ALPHA = np.float32(MIN_ALPHA), np.float32(MAX_ALPHA)
_MIN_TRANSMITTANCE = np.float32(MIN_TRANSMITTANCE)
# exp(-x) = (exp(-x / 8))^8 for 0 <= x <= 5.76, with Taylor's polynomial of degree 6 around 0.36: to 1e-6.
_TOP, _CENTER, _AT_CENTER, _EIGHTH = np.float32(5.76), np.float32(0.36), np.float32(math.exp(-0.36)), np.float32(1 / 8)
_C2, _C3, _C4, _C5, _C6 = (np.float32(1 / math.factorial(n)) for n in range(2, 7))


@compiled()
def blend(splats: np.ndarray, order: np.ndarray, num_rows: int, num_columns: int, rgba: np.ndarray) -> None:
    """Draw splats [G, 11] in this order [K]: colours times alpha, and alpha.

    C += α T c,  T ← (1 − α) T. While drawing, alpha's place holds T, negative once the pixel is full.

    Args:
        rgba: [H / 2 · W / 4 · 4 · 8], overwritten.
    """
    blocks = rgba.reshape(num_rows, num_columns, 4, LANES)
    blocks[:, :, :3] = _ZERO
    blocks[:, :, 3] = _ONE
    for i in order:
        u, v, a, b, c = splats[i, 0], splats[i, 1], splats[i, 2], splats[i, 3], splats[i, 4]
        opacity, half_width, half_height = splats[i, 5], splats[i, 6], splats[i, 7]
        red, green, blue = splats[i, 8], splats[i, 9], splats[i, 10]
        left = max(math.ceil(u - half_width - _HALF), 0) // BLOCK_WIDTH
        right = min(math.floor(u + half_width - _HALF) // BLOCK_WIDTH, num_columns - 1)
        top = max(math.ceil(v - half_height - _HALF), 0) // BLOCK_HEIGHT
        bottom = min(math.floor(v + half_height - _HALF) // BLOCK_HEIGHT, num_rows - 1)
        for row in range(top, bottom + 1):
            start_y = np.float32(row * BLOCK_HEIGHT) + _HALF - v
            for column in range(left, right + 1):
                base = np.uintp((row * num_columns + column) * (4 * LANES))
                start_x = np.float32(column * BLOCK_WIDTH) + _HALF - u
                for lane in range(LANES):
                    at = base + np.uintp(lane)
                    transmittance = rgba[at + np.uintp(3 * LANES)]
                    dx, dy = start_x + np.float32(lane % BLOCK_WIDTH), start_y + np.float32(lane // BLOCK_WIDTH)
                    power = _HALF * (a * dx * dx + c * dy * dy) + b * dx * dy
                    r = _CENTER - min(power, _TOP) * _EIGHTH
                    root = (_ONE + r * (_ONE + r * (_C2 + r * (_C3 + r * (_C4 + r * (_C5 + r * _C6)))))) * _AT_CENTER
                    root = root * root
                    root = root * root
                    alpha = min(opacity * (root * root), _MAX_ALPHA)
                    behind = transmittance * (_ONE - alpha)
                    reached = (alpha >= _MIN_ALPHA) & (transmittance > _ZERO)
                    drawn = reached & (behind > _MIN_TRANSMITTANCE)
                    weight = alpha * transmittance if drawn else _ZERO
                    rgba[at] += weight * red
                    rgba[at + np.uintp(LANES)] += weight * green
                    rgba[at + np.uintp(2 * LANES)] += weight * blue
                    rgba[at + np.uintp(3 * LANES)] = behind if drawn else (-transmittance if reached else transmittance)
    blocks[:, :, 3] = _ONE - np.abs(blocks[:, :, 3])


@compiled(reorders_sums=True)
def blend_backward(
    splats: np.ndarray,
    order: np.ndarray,
    rgba: np.ndarray,
    rgba_gradient: np.ndarray,
    state: np.ndarray,
    splat_gradient: np.ndarray,
) -> None:
    """Fill the rows of splat_gradient [G, 9] named by order [K]; rgba and rgba_gradient [H / 2, W / 4, 4, 8].

    Again front to back, with g the gradient of the pixel's colour and B = g · (colour from behind) − ∂A · T_end, which
    at first is all the pixel's colour: ∂α = T g · c − B_behind / (1 − α), ∂power = −α ∂α, where α is not cut.

    Args:
        state: room for T, B and g of each pixel [H / 2 · W / 4 · 5 · 8].
    """
    num_rows, num_columns = rgba.shape[0], rgba.shape[1]
    blocks = state.reshape(num_rows, num_columns, 5, LANES)
    for row in range(num_rows):
        for column in range(num_columns):
            for lane in range(LANES):
                behind = (rgba[row, column, 3, lane] - _ONE) * rgba_gradient[row, column, 3, lane]
                for n in range(3):
                    g = rgba_gradient[row, column, n, lane]
                    behind += g * rgba[row, column, n, lane]
                    blocks[row, column, 2 + n, lane] = g
                blocks[row, column, 0, lane], blocks[row, column, 1, lane] = _ONE, behind
    for i in order:
        u, v, a, b, c = splats[i, 0], splats[i, 1], splats[i, 2], splats[i, 3], splats[i, 4]
        opacity, half_width, half_height = splats[i, 5], splats[i, 6], splats[i, 7]
        red, green, blue = splats[i, 8], splats[i, 9], splats[i, 10]
        # sums of ∂power · (1, dx, dy, dx², dx dy, dy²), and of the gradient of the colour
        s_1 = s_x = s_y = s_xx = s_xy = s_yy = s_red = s_green = s_blue = _ZERO
        left = max(math.ceil(u - half_width - _HALF), 0) // BLOCK_WIDTH
        right = min(math.floor(u + half_width - _HALF) // BLOCK_WIDTH, num_columns - 1)
        top = max(math.ceil(v - half_height - _HALF), 0) // BLOCK_HEIGHT
        bottom = min(math.floor(v + half_height - _HALF) // BLOCK_HEIGHT, num_rows - 1)
        for row in range(top, bottom + 1):
            start_y = np.float32(row * BLOCK_HEIGHT) + _HALF - v
            for column in range(left, right + 1):
                base = np.uintp((row * num_columns + column) * (5 * LANES))
                start_x = np.float32(column * BLOCK_WIDTH) + _HALF - u
                for lane in range(LANES):
                    at = base + np.uintp(lane)
                    transmittance = state[at]
                    dx, dy = start_x + np.float32(lane % BLOCK_WIDTH), start_y + np.float32(lane // BLOCK_WIDTH)
                    power = _HALF * (a * dx * dx + c * dy * dy) + b * dx * dy
                    r = _CENTER - min(power, _TOP) * _EIGHTH
                    root = (_ONE + r * (_ONE + r * (_C2 + r * (_C3 + r * (_C4 + r * (_C5 + r * _C6)))))) * _AT_CENTER
                    root = root * root
                    root = root * root
                    uncut = opacity * (root * root)
                    alpha = min(uncut, _MAX_ALPHA)
                    through = _ONE - alpha
                    behind = transmittance * through
                    reached = (alpha >= _MIN_ALPHA) & (transmittance > _ZERO)
                    drawn = reached & (behind > _MIN_TRANSMITTANCE)
                    weight = alpha * transmittance if drawn else _ZERO
                    g_red, g_green = state[at + np.uintp(2 * LANES)], state[at + np.uintp(3 * LANES)]
                    g_blue = state[at + np.uintp(4 * LANES)]
                    toward = g_red * red + g_green * green + g_blue * blue
                    rest = state[at + np.uintp(LANES)] - weight * toward
                    state[at] = behind if drawn else (-transmittance if reached else transmittance)
                    state[at + np.uintp(LANES)] = rest
                    slope = alpha * (rest / through - transmittance * toward)
                    g_power = slope if drawn & (uncut < _MAX_ALPHA) else _ZERO
                    s_1 += g_power
                    s_x += g_power * dx
                    s_y += g_power * dy
                    s_xx += g_power * dx * dx
                    s_xy += g_power * dx * dy
                    s_yy += g_power * dy * dy
                    s_red += weight * g_red
                    s_green += weight * g_green
                    s_blue += weight * g_blue
        splat_gradient[i, 0] = -(a * s_x + b * s_y)
        splat_gradient[i, 1] = -(b * s_x + c * s_y)
        splat_gradient[i, 2], splat_gradient[i, 3], splat_gradient[i, 4] = _HALF * s_xx, s_xy, _HALF * s_yy
        splat_gradient[i, 5] = -s_1 / opacity
        splat_gradient[i, 6], splat_gradient[i, 7], splat_gradient[i, 8] = s_red, s_green, s_blue
