import numpy as np
import pytest

from ltm3d.geometry.base_color import corner_colors, linear_to_srgb, read_texture, srgb_to_linear
from ltm3d.geometry.parts import CLAMP, MIRROR, REPEAT, Material, Part, Texture

LEFT_RED_RIGHT_BLUE = np.full((8, 8, 4), 255, np.uint8)
LEFT_RED_RIGHT_BLUE[:, :4, :3], LEFT_RED_RIGHT_BLUE[:, 4:, :3] = (255, 0, 0), (0, 0, 255)
SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
FACES = np.array([[0, 1, 2], [0, 2, 3]])


def colors(uv: np.ndarray | None = None, light: np.ndarray | None = None, **material) -> np.ndarray | None:
    part = Part(
        vertices=SQUARE,
        faces=FACES,
        material=Material(**material),
        uv=None if uv is None else uv[FACES],
        light=None if light is None else light[FACES],
    )
    return corner_colors(part)


def test_curves_are_inverse_and_half_light_is_188() -> None:
    every = np.arange(256, dtype=np.uint8)
    assert np.array_equal(linear_to_srgb(srgb_to_linear(every)), every)
    assert linear_to_srgb(np.array([0.5, -1, 2])).tolist() == [188, 0, 255]


def test_texture_is_read_at_each_corner_from_inside_its_face() -> None:
    half = np.array([[0.0, 0], [0.49, 0], [0.49, 1], [0.0, 1]])  # the red half, its edges on the borders
    texture = Texture(pixels=LEFT_RED_RIGHT_BLUE)
    assert (colors(half, texture=texture) == (255, 0, 0)).all()
    assert (colors(half + np.array([0.5, 0]), texture=texture) == (0, 0, 255)).all()
    assert (colors(half + np.array([7.5, -3]), texture=texture) == (0, 0, 255)).all()  # pictures repeat


@pytest.mark.parametrize(
    ("wrap", "reds"),
    [(REPEAT, [True, False, True, False]), (CLAMP, [True, False, False, True]), (MIRROR, [True, False, False, True])],
)
def test_places_outside_of_the_picture(wrap: str, reds: list[bool]) -> None:
    texture = Texture(pixels=LEFT_RED_RIGHT_BLUE, wrap=(wrap, wrap))
    uv = np.array([[0.1, 0.5], [0.9, 0.5], [1.1, 0.5], [-0.4 if wrap != REPEAT else -0.1, 0.5]])
    assert (read_texture(texture, uv)[:, 0] == 255).tolist() == reds


def test_the_picture_is_upright() -> None:
    red_on_top = np.ascontiguousarray(LEFT_RED_RIGHT_BLUE.transpose(1, 0, 2))
    top = np.array([[0.1, 0.1], [0.9, 0.1], [0.9, 0.4], [0.1, 0.4]])  # v grows downward, as in glTF
    assert (colors(top, texture=Texture(pixels=red_on_top)) == (255, 0, 0)).all()


def test_factor_and_light_multiply_linear_light() -> None:
    white = Texture(pixels=np.full((2, 2, 4), 255, np.uint8))
    uv = np.full((4, 2), 0.5)
    assert (colors(uv, texture=white, factor=np.array([0.5, 0, 1, 1])) == (188, 0, 255)).all()
    assert (colors(factor=np.array([0.5, 0, 1, 1])) == (188, 0, 255)).all()
    half = np.full((4, 3), 0.5, np.float32)
    assert (colors(uv, light=half, texture=white) == 188).all()
    assert (colors(light=half, factor=np.array([1, 1, 0, 1])) == (188, 188, 0)).all()
    assert (colors(light=half) == 188).all()
    assert colors() is None


def test_coordinates_that_are_no_numbers_read_the_first_texel() -> None:
    assert (read_texture(Texture(pixels=LEFT_RED_RIGHT_BLUE), np.array([[np.nan, np.inf]])) == (255, 0, 0, 255)).all()
