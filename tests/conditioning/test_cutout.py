"""Backgrounds of several plain surfaces are removed; what is not plain, or does not show, is refused in one line."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from ltm3d.conditioning.cutout import find_object, without_fringe
from ltm3d.errors import PromptError

SIDE, HORIZON = 200, 110
WALL, FLOOR, BOARD, BLUE = (214, 208, 196), (142, 118, 96), (240, 240, 238), (40, 70, 160)
Box = tuple[int, int, int, int]
RGB = tuple[int, int, int]
BOX: Box = (70, 60, 129, 149)


def room(*, wall: RGB = WALL, floor: RGB = FLOOR) -> Image.Image:
    """A wall above a floor."""
    picture = Image.new("RGB", (SIDE, SIDE), wall)
    ImageDraw.Draw(picture).rectangle((0, HORIZON, SIDE, SIDE), fill=floor)
    return picture


def taken(picture: Image.Image, box: Box = BOX, *, colour: RGB = BLUE, light: float = 0.1) -> np.ndarray:
    """The room with a box, lit from the left, with a camera's blur and noise."""
    ImageDraw.Draw(picture).rectangle(box, fill=colour)
    pixels = np.asarray(picture.filter(ImageFilter.GaussianBlur(0.6))).astype(float)
    pixels *= np.linspace(1 - light, 1 + light, SIDE)[None, :, None]
    return np.clip(pixels + np.random.default_rng(0).normal(0, 2, pixels.shape), 0, 255).astype(np.uint8)


def iou(found: np.ndarray, box: Box = BOX) -> float:
    truth = np.zeros((SIDE, SIDE), bool)
    truth[box[1] : box[3] + 1, box[0] : box[2] + 1] = True
    return float((found & truth).sum() / (found | truth).sum())


def test_a_wall_and_a_floor_are_removed() -> None:
    assert iou(find_object(taken(room()))) > 0.93


def test_a_skirting_board_between_them_is_removed() -> None:
    picture = room()
    ImageDraw.Draw(picture).rectangle((0, HORIZON - 12, SIDE, HORIZON), fill=BOARD)
    assert iou(find_object(taken(picture))) > 0.93


def test_thin_joints_of_boards_are_removed() -> None:
    picture = room()
    for x in range(-100, 300, 50):
        ImageDraw.Draw(picture).line((x, SIDE, 100 + (x - 100) // 3, HORIZON), fill=(90, 74, 60))
    assert iou(find_object(taken(picture))) > 0.93


def test_an_overexposed_wall_is_removed() -> None:
    assert iou(find_object(taken(room(wall=(246, 250, 246)), light=0.25))) > 0.93


def test_what_the_floor_looks_like_stays_before_the_wall() -> None:
    tall: Box = (80, 20, 119, 149)
    picture = taken(room(), tall, light=0.0)
    picture[25:60, 85:115] = FLOOR  # a window of the floor's colour, above the horizon
    assert iou(find_object(picture), tall) > 0.93


def test_a_contact_shadow_on_the_floor_is_removed() -> None:
    shade = Image.new("L", (SIDE, SIDE), 255)
    ImageDraw.Draw(shade).ellipse((55, 140, 145, 160), fill=120)
    light = np.asarray(shade.filter(ImageFilter.GaussianBlur(9)))[..., None] / 255
    shaded = Image.fromarray((np.asarray(room()) * light).astype(np.uint8))
    assert iou(find_object(taken(shaded))) > 0.93


@pytest.mark.parametrize("seed", range(3))
def test_a_busy_room_is_refused(seed: int) -> None:
    rng = np.random.default_rng(seed)
    picture = room()
    for _ in range(80):
        left, top = rng.integers(-20, SIDE, 2).tolist()
        width, height = rng.integers(10, 50, 2).tolist()
        fill = tuple(int(value) for value in rng.integers(20, 240, 3))
        ImageDraw.Draw(picture).rectangle((left, top, left + width, top + height), fill=fill)
    with pytest.raises(PromptError, match="no plain background"):
        find_object(taken(picture))


def test_a_texture_is_refused() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (SIDE // 8, SIDE // 8, 3)).astype(np.uint8)
    with pytest.raises(PromptError, match="no plain background"):
        find_object(taken(Image.fromarray(noise).resize((SIDE, SIDE), Image.Resampling.BILINEAR)))


def test_an_outline_that_does_not_show_is_refused() -> None:
    pixels = np.full((SIDE, SIDE, 3), 200, np.uint8)
    pixels[60:150, 70:130, 0] = 222
    with pytest.raises(PromptError, match="outline does not show"):
        find_object(pixels)


def test_a_close_up_is_refused() -> None:
    with pytest.raises(PromptError, match="no plain background"):
        find_object(taken(room(), (0, 0, 150, 120)))


def test_the_background_does_not_shine_through_the_outline() -> None:
    picture = room(wall=(250, 250, 250), floor=(250, 250, 250))
    ImageDraw.Draw(picture).line((20, 20, 60, 20), fill=BLUE)  # nothing but outline
    pixels = taken(picture, light=0.0)
    found = find_object(pixels)
    outer = found & ((pixels.max(axis=2) > 190) & (np.arange(SIDE)[:, None] > 40))
    assert outer.sum() > 100, "mixed pixels are part of the object"
    cleaned = without_fringe(pixels, found)
    assert np.abs(cleaned[outer].astype(int) - BLUE).max() < 60
    np.testing.assert_array_equal(cleaned[:40], pixels[:40])
    np.testing.assert_array_equal(cleaned[~found], pixels[~found])
