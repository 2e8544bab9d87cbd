"""Photos made like training views: background, centring, scale, formats, refusals."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, PngImagePlugin

from ltm3d.conditioning.cutout import find_object
from ltm3d.conditioning.photo import composite, measure_extent, prepare_photo
from ltm3d.errors import ConfigError, PromptError

RED, WALL = (200, 30, 30), (205, 210, 200)


def photo(size: tuple[int, int] = (300, 200), box: tuple[int, int, int, int] = (40, 60, 120, 100)) -> Image.Image:
    """A red box in front of a plain wall, inclusive corners."""
    picture = Image.new("RGB", size, WALL)
    ImageDraw.Draw(picture).rectangle(box, fill=RED)
    return picture


def bounds(rgba: np.ndarray) -> tuple[int, int, int, int]:
    """First and last row and column with alpha of at least one half."""
    rows, columns = np.flatnonzero((rgba[..., 3] >= 128).any(1)), np.flatnonzero((rgba[..., 3] >= 128).any(0))
    return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])


def assert_red_box(rgba: np.ndarray, *, width: int, height: int, colour: tuple[int, ...] = RED) -> None:
    top, bottom, left, right = bounds(rgba)
    assert abs(right - left + 1 - width) <= 2 and abs(bottom - top + 1 - height) <= 2
    assert abs(left + right - (rgba.shape[1] - 1)) <= 1 and abs(top + bottom - (rgba.shape[0] - 1)) <= 2
    centre = rgba[rgba.shape[0] // 2, rgba.shape[1] // 2]
    assert np.abs(centre[:3].astype(int) - colour).max() <= 6 and centre[3] == 255


def test_a_plain_background_is_removed_and_the_object_centred() -> None:
    rgba = prepare_photo(photo(), resolution=100, extent=0.8)
    assert rgba.shape == (100, 100, 4) and rgba.dtype == np.uint8
    assert_red_box(rgba, width=80, height=40)
    assert rgba[0, 0, 3] == 0


def test_a_shaded_noisy_wall_is_removed() -> None:
    rng = np.random.default_rng(0)
    wall = np.full((240, 320, 3), 190.0)
    wall *= np.linspace(0.8, 1.1, 320)[None, :, None] * np.linspace(1.05, 0.9, 240)[:, None, None]
    wall[100:140, 120:220] = RED
    noisy = np.clip(wall + rng.normal(0, 4, wall.shape), 0, 255).astype(np.uint8)
    assert_red_box(prepare_photo(noisy, resolution=100, extent=0.5), width=50, height=20)


def test_a_hole_shows_the_background() -> None:
    picture = photo((200, 200), (50, 50, 149, 149))
    ImageDraw.Draw(picture).rectangle((80, 80, 119, 119), fill=WALL)
    rgba = prepare_photo(picture, resolution=100, extent=1.0)
    assert rgba[50, 50, 3] == 0 and rgba[50, 10, 3] == 255


def test_separate_parts_stay_and_specks_go() -> None:
    picture = photo((200, 200), (20, 90, 69, 109))
    ImageDraw.Draw(picture).rectangle((130, 90, 179, 109), fill=RED)
    ImageDraw.Draw(picture).point((100, 20), fill=(0, 0, 0))
    mask = find_object(np.asarray(picture))
    assert mask.sum() == 2 * 50 * 20 and not mask[20, 100]


def test_alpha_is_used_where_there_is_one() -> None:
    picture = Image.new("RGBA", (300, 200), (*RED, 0))
    ImageDraw.Draw(picture).rectangle((40, 60, 119, 99), fill=(*RED, 255))
    assert_red_box(prepare_photo(picture, resolution=100, extent=0.8), width=80, height=40)


def test_a_prepared_picture_stays_as_it_is() -> None:
    once = prepare_photo(photo(), resolution=96, extent=0.75)
    again = prepare_photo(once, resolution=96, extent=measure_extent(once[None]))
    assert np.abs(composite(once).astype(int) - composite(again)).mean() < 2


def test_extent_is_the_mean_over_views() -> None:
    views = np.zeros((3, 50, 50, 4), np.uint8)
    views[0, 10:20, 5:45, 3] = 255  # 40 of 50
    views[1, 20:40, 20:25, 3] = 255  # 20 of 50
    assert measure_extent(views) == pytest.approx(0.6)  # the empty view does not count


def test_caller_keeps_the_picture() -> None:
    picture = photo((1600, 1200), (400, 300, 900, 800))
    before = picture.tobytes()
    prepare_photo(picture, resolution=32, extent=0.8)
    assert picture.size == (1600, 1200) and picture.tobytes() == before


@pytest.mark.parametrize("name", ["photo.png", "photo.jpg", "photo.webp", "photo.bmp", "photo.tiff"])
def test_files(name: str, tmp_path: Path) -> None:
    photo((1200, 800), (160, 240, 479, 399)).save(tmp_path / name)
    for path in (tmp_path / name, str(tmp_path / name)):
        assert_red_box(prepare_photo(path, resolution=100, extent=0.8), width=80, height=40)


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored on its side: turn by 90 degrees clockwise to view
    photo().save(tmp_path / "turned.jpg", exif=exif, quality=95)
    assert_red_box(prepare_photo(tmp_path / "turned.jpg", resolution=100, extent=0.8), width=40, height=80)


def test_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [photo(), photo(box=(100, 10, 140, 190))]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    assert_red_box(prepare_photo(tmp_path / "moving.gif", resolution=100, extent=0.8), width=80, height=40)
    with Image.open(tmp_path / "moving.gif") as picture:
        picture.seek(1)
        assert_red_box(prepare_photo(picture, resolution=100, extent=0.8), width=80, height=40)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "CMYK", "LAB", "YCbCr", "I", "F"])
def test_modes(mode: str) -> None:
    picture = photo()
    if mode == "LAB":
        from PIL import ImageCms

        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        converted = ImageCms.profileToProfile(picture, *profiles, outputMode="LAB")
        assert converted is not None
        picture = converted
    else:
        picture = picture.convert(mode)
    rgba = prepare_photo(picture, resolution=100, extent=0.8)
    top, bottom, left, right = bounds(rgba)
    assert right - left > bottom - top > 30


def test_sixteen_bits(tmp_path: Path) -> None:
    grey = np.full((200, 300), 52000, np.uint16)
    grey[60:101, 40:121] = 9000
    Image.fromarray(grey).save(tmp_path / "deep.png")
    rgba = prepare_photo(tmp_path / "deep.png", resolution=100, extent=0.8)
    assert_red_box(rgba, width=80, height=40, colour=(35, 35, 35))


def test_palette_with_transparency(tmp_path: Path) -> None:
    picture = Image.new("P", (300, 200), 0)
    picture.putpalette([0, 255, 0, *RED])
    ImageDraw.Draw(picture).rectangle((40, 60, 119, 99), fill=1)
    picture.save(tmp_path / "palette.png", transparency=0)
    assert_red_box(prepare_photo(tmp_path / "palette.png", resolution=100, extent=0.8), width=80, height=40)


def test_size_is_checked_before_decoding(tmp_path: Path) -> None:
    """The header names 20,000 x 20,000 pixels, the data is empty: decoding would fail in another way."""
    header = (20_000).to_bytes(4, "big") * 2 + bytes((8, 2, 0, 0, 0))
    with (tmp_path / "bomb.png").open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        PngImagePlugin.putchunk(file, b"IHDR", header)
        PngImagePlugin.putchunk(file, b"IDAT", b"")
    with pytest.raises(PromptError, match="more than 100,000,000"):
        prepare_photo(tmp_path / "bomb.png", resolution=32, extent=0.8)
    with pytest.raises(PromptError, match="11000 x 10000 pixels, more than"):
        prepare_photo(Image.new("1", (11_000, 10_000)), resolution=32, extent=0.8)


def test_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(PromptError, match="not a picture we can read"):
        prepare_photo(tmp_path / "text.png", resolution=32, extent=0.8)
    with pytest.raises(PromptError, match="there is no picture"):
        prepare_photo(tmp_path / "absent.png", resolution=32, extent=0.8)
    with pytest.raises(PromptError, match="not a picture we can read"):
        prepare_photo(tmp_path, resolution=32, extent=0.8)
    photo().save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:200])
    with pytest.raises(PromptError, match="broken"):
        prepare_photo(tmp_path / "cut.png", resolution=32, extent=0.8)


def test_nothing_left() -> None:
    with pytest.raises(PromptError, match="nothing is left"):
        prepare_photo(Image.new("RGB", (100, 100), WALL), resolution=32, extent=0.8)
    with pytest.raises(PromptError, match="nothing is left"):
        prepare_photo(Image.new("RGBA", (100, 100), (9, 9, 9, 0)), resolution=32, extent=0.8)


def test_a_background_that_is_not_plain_is_refused() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    with pytest.raises(PromptError, match="no plain background"):
        prepare_photo(noise, resolution=32, extent=0.8)


@pytest.mark.parametrize("array", [np.zeros((4, 4), np.float32), np.zeros((4, 4, 2), np.uint8), np.zeros(0, np.uint8)])
def test_arrays_that_are_no_pictures(array: np.ndarray) -> None:
    with pytest.raises(PromptError, match="must be uint8"):
        prepare_photo(array, resolution=32, extent=0.8)


def test_settings_out_of_range() -> None:
    with pytest.raises(ConfigError, match="extent"):
        prepare_photo(photo(), resolution=32, extent=1.5)


def test_composite_rounds_straight_alpha() -> None:
    rgba = np.array([[[[200, 100, 0, 255], [200, 100, 0, 0], [200, 100, 0, 51]]]], np.uint8)
    expected = [[[[200, 100, 0], [255, 255, 255], [244, 224, 204]]]]
    assert composite(rgba).tolist() == expected
    assert composite(rgba, (0, 0, 0))[0, 0, 2].tolist() == [40, 20, 0]


@pytest.mark.parametrize("spoil", ["one clear pixel", "a clear speck", "a faint corner", "a faint edge"])
def test_stray_alpha_does_not_keep_the_background(spoil: str) -> None:
    rgba = np.array(photo().convert("RGBA"))
    if spoil == "one clear pixel":
        rgba[5, 5] = 0
    elif spoil == "a clear speck":
        rgba[10:20, 200:212] = 0
    elif spoil == "a faint corner":
        rgba[:60, :60, 3] = 249
    else:
        rgba[:, :3, 3] = 200
    assert_red_box(prepare_photo(rgba, resolution=100, extent=0.8), width=80, height=40)


@pytest.mark.parametrize("colour", [RED, (40, 40, 40), (30, 60, 140)])
def test_a_soft_shadow_is_not_part_of_the_object(colour: tuple[int, int, int]) -> None:
    y, x = np.mgrid[:256, :256]
    shadow = 0.45 * np.exp(-(((x - 120) / 60) ** 2) - ((y - 190) / 12) ** 2)
    picture = np.repeat(((1 - shadow) * 250)[..., None], 3, axis=2).astype(np.uint8)
    picture[90:190, 80:160] = colour
    mask = find_object(picture)
    truth = np.zeros((256, 256), bool)
    truth[90:190, 80:160] = True
    assert (mask & truth).sum() / (mask | truth).sum() > 0.95


def test_a_grey_thing_with_an_edge_is_no_shadow() -> None:
    picture = photo()
    ImageDraw.Draw(picture).rectangle((150, 60, 250, 140), fill=(150, 154, 147))  # the wall's own tint
    mask = find_object(np.asarray(picture))
    assert mask[100, 200] and mask[62, 152] and mask[80, 80]


@pytest.mark.parametrize("kind", ["avif", "jp2", "webp", "tiff"])
def test_newer_formats_are_read(tmp_path: Path, kind: str) -> None:
    photo().save(tmp_path / f"a.{kind}")
    assert_red_box(prepare_photo(tmp_path / f"a.{kind}", resolution=100, extent=0.8), width=80, height=40)
