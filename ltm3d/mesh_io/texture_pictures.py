"""Encoded pictures → pixels, by pillow."""

import io
import warnings
from typing import Any

import numpy as np

from ltm3d.errors import AssetError


def count_pixels(data: bytes) -> int:
    """Return width times height of an encoded picture without decoding it.

    Raises:
        AssetError: `parse_error` where it is no picture, `too_large` for a decompression bomb.
    """
    with _opened(data) as picture:
        return int(picture.width * picture.height)


def decode_picture(data: bytes) -> np.ndarray:
    """Return the pixels of an encoded picture, uint8 [H, W, 4], sRGB and straight alpha; 16 bits become 8.

    Raises:
        AssetError: `parse_error`.
    """
    try:
        with _opened(data) as picture:
            if picture.mode[0] in "IF":  # grey of 16 or 32 bits, or fractions
                return _grey(np.asarray(picture))
            return np.array(picture.convert("RGBA"))
    except (OSError, ValueError, SyntaxError, IndexError, KeyError, EOFError, TypeError, OverflowError) as error:
        raise AssetError("parse_error", f"a broken picture: {type(error).__name__}: {str(error)[:100]}") from error


def _opened(data: bytes) -> Any:
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            return Image.open(io.BytesIO(data))
        except Image.DecompressionBombError as error:
            raise AssetError("too_large", str(error)) from error
        except Exception as error:  # pillow's readers raise whatever they stumble over
            raise AssetError("parse_error", "no picture that pillow reads") from error


def _grey(values: np.ndarray) -> np.ndarray:
    light = np.nan_to_num(values.astype(np.float64))
    top = (
        1.0
        if values.dtype.kind == "f" and light.max(initial=0) <= 1
        else 255.0
        if light.max(initial=0) <= 255
        else 65535.0
    )
    grey = np.rint(np.clip(light / top, 0, 1) * 255).astype(np.uint8)
    return np.stack([grey, grey, grey, np.full_like(grey, 255)], axis=-1)
