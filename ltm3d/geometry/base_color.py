"""Base colour from textures, factors and vertex colours: at the corners of faces, and within them."""

from collections.abc import Callable

import numpy as np

from ltm3d.geometry.parts import CLAMP, MIRROR, Material, Part, Texture

_DARK = 0.05  # linear light of a base from which on its glow does not count
_INSIDE = np.array([(i + 0.5, j + 0.5, 7 - i - j) for i in range(8) for j in range(8 - i)], np.float32) / 8  # [36, 3]
_NEAR_CORNER = np.array([[0.9, 0.05, 0.05], [0.6, 0.3, 0.1], [0.6, 0.1, 0.3], [0.45, 0.275, 0.275]], np.float32)


def corner_colors(part: Part) -> np.ndarray | None:
    """Return the sRGB base colour of each corner of each face, uint8 [F, 3, 3], or None where nothing says one.

    Where a material glows, what it gives off counts as far as its base is dark: a black base shows the glow alone.

    A texture is read at a few places around each corner, inside the face, so that neither a single odd texel nor the
    next island of the atlas colours a vertex.
    """
    if not _has_color(part.material, part.light):
        return None
    return linear_to_srgb(_light(part.material, (len(part.faces), 3), part.light, part.uv, part.glow_uv, _near_corners))


def colors_within(part: Part, faces: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the sRGB base colour at places on faces, uint8 [S, 3]; white where nothing says one.

    Args:
        faces: face of each place [S].
        weights: barycentric [S, 3], or [S, K, 3] for the mean of K places.
    """
    means = weights if weights.ndim == 3 else weights[:, None]
    uv, glow_uv, light = (
        None if values is None else np.einsum("skc,scu->sku", means, values[faces])
        for values in (part.uv, part.glow_uv, part.light)
    )
    return linear_to_srgb(_light(part.material, means.shape[:2], light, uv, glow_uv, _at).mean(axis=1))


def _has_color(material: Material, light: np.ndarray | None) -> bool:
    return any(value is not None for value in (material.factor, material.texture, material.glow, light))


def _light(
    material: Material,
    shape: tuple[int, ...],
    light: np.ndarray | None,
    uv: np.ndarray | None,
    glow_uv: np.ndarray | None,
    read: Callable[[Texture, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Return linear light [*shape, 3] at places with these values; `read` gives a texture's linear light there."""
    total = np.ones((*shape, 3), np.float32)
    if material.factor is not None:
        total = total * material.factor[:3].astype(np.float32)
    if light is not None:
        total = total * light[..., :3]
    if material.texture is not None and uv is not None:
        total = total * read(material.texture, uv)
    if material.glow is not None:
        glow = np.broadcast_to(material.glow.astype(np.float32), total.shape)
        if material.glow_texture is not None and glow_uv is not None:
            glow = glow * read(material.glow_texture, glow_uv)
        darkness = np.clip(1 - total.max(axis=-1, keepdims=True) / _DARK, 0, 1)
        total = total + darkness * np.minimum(glow, 1)
    return total


def _at(texture: Texture, uv: np.ndarray) -> np.ndarray:
    return _LINEAR[read_texture(texture, uv)[..., :3]]


def alpha_within(part: Part) -> np.ndarray:
    """Return the alpha of material, vertices and picture at 36 places of each face [F, 36]."""
    material = part.material
    alpha: np.ndarray = np.ones((len(part.faces), len(_INSIDE)), np.float32)
    if material.factor is not None and len(material.factor) > 3:
        alpha = alpha * np.float32(material.factor[3])
    if part.light is not None and part.light.shape[2] > 3:
        alpha = alpha * (part.light[..., 3] @ _INSIDE.T)
    if material.texture is not None and part.uv is not None:
        places = np.einsum("pk,fku->fpu", _INSIDE, part.uv)
        alpha = alpha * (read_texture(material.texture, places)[..., 3] / np.float32(255))
    return np.asarray(alpha)


def read_texture(texture: Texture, uv: np.ndarray) -> np.ndarray:
    """Return the texels at uv [..., 2], origin at the upper left; uint8 sRGB and alpha [..., 4]."""
    height, width = texture.pixels.shape[:2]
    column = _texel(uv[..., 0], width, texture.wrap[0])
    row = _texel(uv[..., 1], height, texture.wrap[1])
    return texture.pixels[row, column]


def srgb_to_linear(colors: np.ndarray) -> np.ndarray:
    """Return linear light, float32 in [0, 1], for uint8 sRGB."""
    return _LINEAR[colors]


def linear_to_srgb(light: np.ndarray) -> np.ndarray:
    """Return uint8 sRGB for linear light; what is below 0 or above 1 is cut."""
    light = np.clip(light, 0, 1)
    curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)
    return np.rint(curve * 255).astype(np.uint8)


def to_linear(color: np.ndarray) -> np.ndarray:
    """Return linear light, float32, for sRGB in [0, 1]."""
    return np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _texel(place: np.ndarray, size: int, wrap: str) -> np.ndarray:
    place = np.where(np.isfinite(place), place, 0)
    if wrap == CLAMP:
        place = np.clip(place, 0, 1)
    elif wrap == MIRROR:
        place = 1 - np.abs(place % 2 - 1)
    else:
        place = place % 1.0
    return np.minimum((place * size).astype(np.int64), size - 1)


def _near_corners(texture: Texture, uv: np.ndarray) -> np.ndarray:
    """Return linear light [F, 3, 3] of a texture at corner coordinates uv [F, 3, 2]."""
    light = np.zeros((*uv.shape[:2], 3), np.float32)
    for weights in _NEAR_CORNER:
        turned = np.stack([np.roll(weights, corner) for corner in range(3)])  # row = corner
        light += _LINEAR[read_texture(texture, np.einsum("ck,fku->fcu", turned, uv))[..., :3]]
    return light / len(_NEAR_CORNER)


_LINEAR = to_linear(np.arange(256) / 255)
