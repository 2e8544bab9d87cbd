"""Base colour from textures, factors and vertex colours, brought to the corners of faces."""

from typing import Any

import numpy as np

_NEAR_CORNER = np.array([[0.9, 0.05, 0.05], [0.6, 0.3, 0.1], [0.6, 0.1, 0.3], [0.45, 0.275, 0.275]], np.float32)


def corner_colors(geometry: Any, *, is_linear: bool, max_pixels: int) -> np.ndarray | None:
    """Return the sRGB base colour of each corner of each face of a trimesh mesh, uint8 [F, 3, 3], or None.

    A texture is read at a few places around each corner, inside the face, so that neither a single odd texel nor the
    next island of the atlas colours a vertex.

    Args:
        is_linear: factors and vertex colours are linear light (glTF), not sRGB.
    """
    visual, faces = geometry.visual, np.asarray(geometry.faces)
    if visual.kind == "face":
        return np.repeat(visual.face_colors[:, None, :3], 3, axis=1)
    if visual.kind == "vertex":
        colors = visual.vertex_colors[faces][..., :3]
        return linear_to_srgb(colors / 255) if is_linear else colors
    if visual.kind != "texture":
        return None
    image, factor = material_parts(visual.material)
    light = np.broadcast_to(_factor_light(factor, is_linear), (len(faces), 3, 3))
    uv = visual.uv
    if image is not None and uv is not None and len(uv) == len(geometry.vertices) and 0 < _size(image) <= max_pixels:
        texture = _texture_light(image, np.asarray(uv, np.float32)[faces])
        if texture is not None:
            # An OBJ's Kd beside a picture is usually left at its default, often black: the picture alone counts.
            light = texture * light if is_linear else texture
    painted = visual.vertex_attributes.get("color")
    if painted is not None and len(painted) == len(geometry.vertices):
        scale = 1.0 if painted.dtype.kind == "f" else float(np.iinfo(painted.dtype).max)
        light = light * (painted[..., :3] / scale).astype(np.float32)[faces]
    elif image is None and factor is None:
        return None
    return linear_to_srgb(light)


def material_parts(material: Any) -> tuple[Any, np.ndarray | None]:
    """Return a trimesh material's picture and base colour factor in [0, 1], each None where absent."""
    if hasattr(material, "baseColorFactor"):
        image, factor = material.baseColorTexture, material.baseColorFactor
    else:
        image, factor = getattr(material, "image", None), getattr(material, "diffuse", None)
    return image, None if factor is None else np.asarray(factor, np.float32)[:3] / 255


def srgb_to_linear(colors: np.ndarray) -> np.ndarray:
    """Return linear light, float32 in [0, 1], for uint8 sRGB."""
    return _LINEAR[colors]


def linear_to_srgb(light: np.ndarray) -> np.ndarray:
    """Return uint8 sRGB for linear light; what is below 0 or above 1 is cut."""
    light = np.clip(light, 0, 1)
    curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)
    return np.rint(curve * 255).astype(np.uint8)


def _size(image: Any) -> int:
    return int(image.width) * int(image.height)


def _factor_light(factor: np.ndarray | None, is_linear: bool) -> np.ndarray:
    if factor is None:
        return np.ones(3, np.float32)
    return factor if is_linear else _to_linear(factor)


def _texture_light(image: Any, uv: np.ndarray) -> np.ndarray | None:
    """Return linear light [F, 3, 3] of a picture at corner coordinates uv [F, 3, 2], origin at the lower left."""
    try:
        pixels = np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError):
        return None  # a broken picture; the factor colours the part
    uv = np.where(np.isfinite(uv), uv, 0)
    light = np.zeros((*uv.shape[:2], 3), np.float32)
    for weights in _NEAR_CORNER:
        turned = np.stack([np.roll(weights, corner) for corner in range(3)])  # row = corner
        place = np.einsum("ck,fku->fcu", turned, uv) % 1.0
        row = ((1 - place[..., 1]) * len(pixels)).astype(np.int64) % len(pixels)
        column = (place[..., 0] * pixels.shape[1]).astype(np.int64) % pixels.shape[1]
        light += _LINEAR[pixels[row, column]]
    return light / len(_NEAR_CORNER)


def _to_linear(color: np.ndarray) -> np.ndarray:
    return np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4).astype(np.float32)


_LINEAR = _to_linear(np.arange(256) / 255)
