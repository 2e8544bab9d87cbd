import io

import numpy as np
import pytest
from gltf_scenes import png
from PIL import Image

from ltm3d.errors import AssetError
from ltm3d.mesh_io.texture_pictures import count_pixels, decode_picture


def encoded(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    data = io.BytesIO()
    picture.save(data, kind, **options)
    return data.getvalue()


def test_count_pixels_reads_the_head_only() -> None:
    data = png(np.zeros((100, 50, 3), np.uint8))
    assert count_pixels(data) == 5000
    assert count_pixels(data[:41]) == 5000  # the rest is not there
    with pytest.raises(AssetError, match="no picture"):
        count_pixels(b"no picture")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "BMP", "TGA", "JPEG2000", "TIFF", "GIF"])
def test_every_kind_that_pillow_reads(kind: str) -> None:
    pixels = decode_picture(encoded(Image.new("RGB", (8, 8), (200, 20, 20)), kind))
    assert pixels.shape == (8, 8, 4) and np.abs(pixels.astype(int) - (200, 20, 20, 255)).max() <= 4


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (Image.fromarray(np.full((2, 2), 128 * 257, np.uint16)), (128, 128, 128, 255)),
        (Image.new("LA", (2, 2), (100, 50)), (100, 100, 100, 50)),
        (Image.new("L", (2, 2), 100), (100, 100, 100, 255)),
        (Image.new("1", (2, 2), 1), (255, 255, 255, 255)),
        (Image.new("P", (2, 2), 0), (0, 0, 0, 255)),
    ],
)
def test_every_mode(picture: Image.Image, expected: tuple[int, ...]) -> None:
    assert (decode_picture(encoded(picture)) == expected).all()


def test_long_integers_and_fractions() -> None:
    for values, grey in ((np.full((2, 2), 50_000, np.int32), 195), (np.full((2, 2), 0.5, np.float32), 128)):
        assert (decode_picture(encoded(Image.fromarray(values), "TIFF")) == (grey, grey, grey, 255)).all()


def test_inks_of_print_are_converted() -> None:
    assert (decode_picture(encoded(Image.new("CMYK", (2, 2), (0, 0, 0, 0)), "TIFF")) == 255).all()


def test_a_broken_picture_has_its_reason() -> None:
    data = png(np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8))
    with pytest.raises(AssetError, match="parse_error: a broken picture"):
        decode_picture(data[:2000])
