"""Pictures as users send them: a red box before white, in every kind of file."""

import base64
import io
import struct
import zlib
from functools import cache

import numpy as np
from PIL import Image

SIZE = 64


def pixels(color: tuple[int, int, int] = (200, 60, 40)) -> np.ndarray:
    """A coloured box before white, uint8 [H, W, 3]."""
    image = np.full((SIZE, SIZE, 3), 255, np.uint8)
    image[16:48, 12:52] = color
    return image


def file_bytes(image: Image.Image, kind: str = "PNG", frames: list[Image.Image] | None = None) -> bytes:
    """A picture file; with `frames` an animation that goes on with them."""
    buffer = io.BytesIO()
    if frames:
        image.save(buffer, kind, save_all=True, append_images=frames, duration=50)
    else:
        image.save(buffer, kind)
    return buffer.getvalue()


def box(kind: str = "PNG", mode: str = "RGB") -> bytes:
    """The box in a file of a kind and a mode of colours."""
    return file_bytes(Image.fromarray(pixels()).convert(mode), kind)


def moving_box(kind: str = "GIF") -> bytes:
    """An animation: the red box, then a blue one."""
    return file_bytes(Image.fromarray(pixels()), kind, frames=[Image.fromarray(pixels((30, 60, 200)))])


def transparent_box(alpha: int = 255) -> bytes:
    """The box cut out; with alpha 0 nothing is seen."""
    image = np.zeros((SIZE, SIZE, 4), np.uint8)
    image[16:48, 12:52] = (200, 60, 40, alpha)
    return file_bytes(Image.fromarray(image))


def box_16_bits(*, is_grey: bool) -> bytes:
    """The box as a PNG of 16 bits a channel, written by the format's definition: Pillow writes no such colours."""
    values = (pixels().mean(axis=-1, keepdims=True) if is_grey else pixels()).astype(np.uint16) * 257
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", SIZE, SIZE, 16, 0 if is_grey else 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


@cache
def huge(side: int = 10_000) -> bytes:
    """A white picture of side² pixels, one bit each: a small file."""
    return file_bytes(Image.new("1", (side, side), 1))


def to_base64(data: bytes) -> str:
    """As a request has it."""
    return base64.b64encode(data).decode()
