import base64
import io
import random
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from PIL import Image
from prompt_pictures import box, box_16_bits, file_bytes, huge, moving_box, pixels, transparent_box
from tiny_bundle import make_tiny_bundle

from ltm3d.errors import PromptError
from ltm3d.generator.bundle import ShapeGenerator
from ltm3d.serving.generation import answer, open_picture, prepare, prepare_batch
from ltm3d.serving.requests import Prompt, RequestLimits

LIMITS = RequestLimits()


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> ShapeGenerator:
    return ShapeGenerator.load(make_tiny_bundle(tmp_path_factory.mktemp("generation") / "bundle"))


def test_a_prompt_becomes_a_file_and_the_same_one_the_same_file(generator: ShapeGenerator) -> None:
    prompt = prepare(generator, Prompt(text="a red chair", image=transparent_box(), seed=5, num_steps=1), LIMITS)
    steps: list[tuple[int, int]] = []
    first, shape = answer(generator, prompt, lambda *step: steps.append(step))
    assert first == answer(generator, prompt)[0] and steps == [(1, 1)]
    assert first.glb is not None and first.ply is None and first.error is None and first.seed == 5
    assert first.picture is not None
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(first.picture)))), prompt.image)
    mesh = trimesh.load(io.BytesIO(base64.b64decode(first.glb)), file_type="glb", force="mesh")
    assert (len(mesh.faces), len(mesh.vertices)) == (first.num_faces, first.num_vertices)
    np.testing.assert_allclose(mesh.bounds, [shape.vertices.min(0), shape.vertices.max(0)], atol=1e-6)


def test_ply_on_request(generator: ShapeGenerator) -> None:
    made, _ = answer(generator, prepare(generator, Prompt(text="a red chair", format="ply"), LIMITS))
    assert made.glb is None and made.ply is not None and made.picture is None
    mesh = trimesh.load(io.BytesIO(base64.b64decode(made.ply)), file_type="ply")
    assert len(mesh.faces) == made.num_faces > 50


def test_temperature_reaches_the_generator(generator: ShapeGenerator) -> None:
    condition = generator.condition(image=None, text="a red chair")
    assert generator.generate(image=None, text="a red chair", temperature=0.0) is not None
    cold, warm = (
        generator.models.generate(condition, seeds=[1], config=replace(generator.config.sampling, temperature=value))
        for value in (0.0, 1.0)
    )
    assert not np.allclose(cold, warm)


@pytest.mark.parametrize(
    "data",
    [
        box("PNG"),
        box("JPEG"),
        box("WEBP"),
        box("BMP"),
        box("TIFF"),
        box("GIF", "P"),
        box("PNG", "P"),
        box("JPEG", "CMYK"),
        box("TIFF", "CMYK"),
        box("PNG", "L"),
        box("JPEG", "L"),
        box_16_bits(is_grey=False),
        box_16_bits(is_grey=True),
        file_bytes(Image.fromarray((pixels().mean(axis=-1) * 257).astype(np.uint16)), "TIFF"),
    ],
)
def test_every_kind_of_picture_shows_the_same_box(generator: ShapeGenerator, data: bytes) -> None:
    image = prepare(generator, Prompt(image=data), LIMITS).image
    expected = prepare(generator, Prompt(image=box("PNG")), LIMITS).image
    assert image is not None and expected is not None
    assert np.abs(image[..., 3].astype(int) - expected[..., 3]).mean() < 10, "the outline; JPEG blurs it"
    seen = expected[..., 3] > 250
    is_grey = np.ptp(image[seen][:, :3].astype(int), axis=1).max() <= 2
    truth = expected[..., :3][seen].astype(float)
    if is_grey:  # Pillow weighs red, green and blue; the 16-bit ones are plain means
        assert 60 < image[seen][:, 0].mean() < 130
    else:
        assert np.abs(image[..., :3][seen] - truth).mean() < 25, "the colour; CMYK and JPEG change it a little"


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_counts(generator: ShapeGenerator, kind: str) -> None:
    moving = moving_box(kind)
    assert Image.open(io.BytesIO(moving)).n_frames == 2
    image = prepare(generator, Prompt(image=moving), LIMITS).image
    assert image is not None
    red, _, blue = image[image[..., 3] > 250][:, :3].mean(axis=0)
    assert red > 170 and blue < 80, "the second is blue"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cannot be read: send a PNG"),
        (b"%PDF-1.7 no picture", "cannot be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "cannot be read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "cannot be read"),
        (box()[:60], "broken"),
        (box("JPEG")[:-100], "broken"),
        (huge(), "10000 x 10000 pixels, more than 25,000,000"),
        (huge(14_000), "more than 25,000,000"),
        (transparent_box(0), "wholly transparent"),
        (file_bytes(Image.new("RGB", (64, 64), "white")), "nothing is left"),
        (file_bytes(Image.new("RGB", (1, 1))), "plain background"),
    ],
)
def test_what_is_no_usable_picture_is_refused(generator: ShapeGenerator, data: bytes, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        prepare(generator, Prompt(image=data), LIMITS)


def test_a_hundred_megapixels_are_never_decoded() -> None:
    data = huge()
    with pytest.raises(PromptError):
        open_picture(data, LIMITS)
    assert open_picture(data, RequestLimits(max_pixels=10**8)).size == (10_000, 10_000)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000"])
def test_a_damaged_file_is_a_picture_or_a_refusal_and_nothing_else(generator: ShapeGenerator, kind: str) -> None:
    whole, draw = box(kind), random.Random(0)
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 8)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        try:
            prepare(generator, Prompt(image=bytes(data[: draw.randint(1, len(data))])), LIMITS)
        except PromptError:
            continue


@pytest.mark.parametrize("text", ["a red chair", "A  RED\tchair 🪑", "une chaise rouge, a chair"])
def test_words_that_are_known_need_no_note(generator: ShapeGenerator, text: str) -> None:
    assert prepare(generator, Prompt(text=text), LIMITS).note is None


@pytest.mark.parametrize("text", ["🪑🪑🪑", "木の椅子", "كرسي خشبي", "\u200b", "x" * 2000, "\0\x07"])
def test_other_languages_and_emoji_are_answered_with_a_note(generator: ShapeGenerator, text: str) -> None:
    made, _ = answer(generator, prepare(generator, Prompt(text=text, num_steps=1), LIMITS))
    assert made.num_faces > 0 and "knows none of the text's words" in str(made.note)


def test_a_batch_says_which_picture_is_wrong(generator: ShapeGenerator) -> None:
    with pytest.raises(PromptError, match=r"^inputs\[1\]: the image cannot be read"):
        prepare_batch(generator, [Prompt(text="a"), Prompt(image=b"no picture")], LIMITS)
