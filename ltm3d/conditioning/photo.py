"""A user's picture made like the views the model was trained on."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from ltm3d.errors import ConfigError, PromptError

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 100_000_000
WORKING_SIZE = 768  # pixels, longest side while the background is removed
SEEN = 8  # alpha from which a pixel counts as object
CLEAR_SHARE = 0.1  # share of border pixels, or of all, that are clear in a picture that is cut out already


def composite(
    rgba: UInt8[np.ndarray, "... H W 4"], background: tuple[int, int, int] = (255, 255, 255)
) -> UInt8[np.ndarray, "... H W 3"]:
    """Lay straight-alpha pictures on one colour (sRGB 0–255)."""
    alpha = rgba[..., 3:].astype(np.uint16)
    colour = np.asarray(background, dtype=np.uint16)
    return ((rgba[..., :3] * alpha + colour * (255 - alpha) + 127) // 255).astype(np.uint8)


def measure_extent(images: UInt8[np.ndarray, "N H W 4"]) -> float:
    """Give the mean share of the frame's side that the object's longest side takes."""
    shares = []
    for alpha in images[..., 3]:
        rows, columns = np.any(alpha >= SEEN, axis=1), np.any(alpha >= SEEN, axis=0)
        if rows.any():
            shares.append(max(np.ptp(np.flatnonzero(rows)), np.ptp(np.flatnonzero(columns))) + 1)
    return float(np.mean(shares)) / images.shape[1] if shares else 0.0


def prepare_photo(
    image: "Image.Image | Path | str | np.ndarray", *, resolution: int, extent: float
) -> UInt8[np.ndarray, "H W 4"]:
    """Cut the object out, centre it and scale it as in the training views.

    Alpha is used where a share of the border, or of the picture, is clear; else a plain background, also wall
    and floor, and the soft shadow on it are removed.

    Args:
        resolution: side of the square result, pixels.
        extent: share of the frame that the object's longest side takes (`measure_extent` of the views).

    Raises:
        PromptError: unreadable, too large, no plain background, or no object left.
    """
    from PIL import Image

    from ltm3d.conditioning.cutout import (
        border_of,
        find_object,
        without_fringe,
    )  # they need scipy, which training does without

    if resolution < 1 or not 0 < extent <= 1:
        raise ConfigError(f"resolution {resolution} must be at least 1, extent {extent} in (0, 1]")
    rgba = np.array(_open_rgba(image))
    if not _is_cut_out(rgba[..., 3]):
        opaque = rgba[..., 3] >= 250
        backdrop = np.median(rgba[border_of(opaque.shape) & opaque], axis=0)[:3] if opaque.any() else np.full(3, 255)
        red, green, blue = (int(value) for value in np.nan_to_num(backdrop, nan=255))
        rgba[..., :3] = composite(rgba, (red, green, blue))
        found = find_object(rgba[..., :3])
        rgba = np.dstack([without_fringe(rgba[..., :3], found), 255 * found.astype(np.uint8)])
    seen = rgba[..., 3] >= SEEN
    if not seen.any():
        raise PromptError("the picture is empty or wholly transparent: nothing is left of the object, use another one")
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    cut = Image.fromarray(rgba[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], "RGBA")
    scale = extent * resolution / max(cut.size)
    width, height = (max(1, round(side * scale)) for side in cut.size)
    frame = Image.new("RGBA", (resolution, resolution))
    cut = cut.resize((width, height), Image.Resampling.BILINEAR)  # PIL premultiplies alpha and filters what it shrinks
    frame.paste(cut, ((resolution - width) // 2, (resolution - height) // 2))
    return np.array(frame)


def _is_cut_out(alpha: UInt8[np.ndarray, "H W"]) -> bool:
    """Say whether a picture's background is clear already: a stray clear pixel, or a faint edge, does not count."""
    from ltm3d.conditioning.cutout import border_of

    clear = alpha < 128
    return bool(clear[border_of(alpha.shape)].mean() >= CLEAR_SHARE or clear.mean() >= CLEAR_SHARE)


def _open_rgba(image: "Image.Image | Path | str | np.ndarray") -> "Image.Image":
    """Decode the first frame, upright, as 8-bit RGBA, longest side at most WORKING_SIZE pixels."""
    from PIL import Image, ImageOps

    if isinstance(image, np.ndarray):
        _check_array(image)
        picture = Image.fromarray(image)
    elif isinstance(image, Image.Image):
        picture = image
    else:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                picture = Image.open(image)
        except Image.DecompressionBombError as error:
            raise PromptError(f"{image} has more than {MAX_PIXELS:,} pixels: give a smaller picture") from error
        except FileNotFoundError as error:
            raise PromptError(f"there is no picture {image}: check the path") from error
        except (OSError, ValueError, SyntaxError) as error:
            raise PromptError(
                f"{image} is not a picture we can read: give a PNG, JPEG, WebP, AVIF or JPEG 2000 file"
            ) from error
    if picture.width * picture.height > MAX_PIXELS:
        raise PromptError(
            f"the picture has {picture.width} x {picture.height} pixels, more than {MAX_PIXELS:,}: give a smaller one"
        )
    try:
        picture.seek(0)
        picture.draft("RGB", (WORKING_SIZE, WORKING_SIZE))  # JPEG decodes smaller at once
        picture = ImageOps.exif_transpose(picture)
        picture = _to_rgba(picture)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise PromptError(f"the picture is broken ({error}): save it again or use another one") from error
    picture.thumbnail((WORKING_SIZE, WORKING_SIZE), Image.Resampling.BILINEAR)
    return picture


def _to_rgba(picture: "Image.Image") -> "Image.Image":
    from PIL import Image

    if picture.mode.startswith(("I", "F")):
        values = np.asarray(picture).astype(np.float64)
        if not np.isfinite(values).all():
            raise PromptError("the picture holds values that are not finite: save it as an 8-bit PNG")
        # floats fill 0..1, integers 8 or 16 bits; what is beyond is scaled to its largest value
        full = (1.0, 255.0, 65535.0) if picture.mode.startswith("F") else (255.0, 65535.0)
        top = min((value for value in full if value >= values.max()), default=values.max())
        return Image.fromarray((255 * np.clip(values / top, 0, 1)).round().astype(np.uint8)).convert("RGBA")
    return picture.convert("RGBA")


def _check_array(image: np.ndarray) -> None:
    is_picture = image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (3, 4))
    if image.dtype != np.uint8 or not is_picture or 0 in image.shape:
        raise PromptError(f"the picture is {image.dtype} {image.shape}, must be uint8 [H, W], [H, W, 3] or [H, W, 4]")
