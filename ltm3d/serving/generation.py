"""From a prompt to a shape's file, in two steps: what can be wrong with the prompt, then the generation."""

import base64
import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from ltm3d.conditioning.photo import prepare_photo
from ltm3d.errors import AssetError, PromptError
from ltm3d.generator.bundle import ShapeGenerator
from ltm3d.geometry.mesh import Mesh
from ltm3d.serving.requests import Prompt, RequestLimits, ShapeAnswer
from ltm3d.tokenizers.shape import Shape
from ltm3d.tokenizers.shape_export import shape_bytes

if TYPE_CHECKING:
    from PIL import Image

# Of all that Pillow opens, what pictures come in; EPS, for one, would start another program.
PICTURE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000")


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedPrompt:
    """A prompt with its picture made like the training views; small, whatever was sent.

    Attributes:
        image: straight-alpha RGBA, or None.
        format: of the answer's file.
        note: what the client should know, or None.
    """

    image: UInt8[np.ndarray, "H W 4"] | None
    text: str | None
    seed: int
    guidance_scale: float | None
    num_steps: int | None
    temperature: float | None
    format: str
    note: str | None


def prepare(generator: ShapeGenerator, prompt: Prompt, limits: RequestLimits) -> PreparedPrompt:
    """Open and cut out the picture of a checked prompt, and settle what is left open.

    Raises:
        PromptError: no picture, too large, nothing to be seen in it; or a format this model cannot give.
    """
    image = None
    if prompt.image is not None:
        config = generator.config
        picture = open_picture(prompt.image, limits)
        image = prepare_photo(picture, resolution=config.image_resolution, extent=config.image_extent)
    text = (prompt.text or "").strip() or None
    makes_meshes = generator.models.tokenizer.shape_type is Mesh
    if prompt.format == "glb" and not makes_meshes:
        raise PromptError(f"this model makes {generator.config.representation}, which is no GLB: ask for ply")
    return PreparedPrompt(
        image=image,
        text=text,
        seed=prompt.seed,
        guidance_scale=prompt.guidance_scale,
        num_steps=prompt.num_steps,
        temperature=prompt.temperature,
        format=prompt.format or ("glb" if makes_meshes else "ply"),
        note=None if text is None else _note_on(generator, text),
    )


def prepare_batch(generator: ShapeGenerator, prompts: Sequence[Prompt], limits: RequestLimits) -> list[PreparedPrompt]:
    """Prepare the prompts of one request.

    Raises:
        PromptError: the message says which of them is wrong.
    """
    prepared = []
    for index, prompt in enumerate(prompts):
        try:
            prepared.append(prepare(generator, prompt, limits))
        except PromptError as error:
            raise PromptError(f"inputs[{index}]: {error}") from error
    return prepared


def open_picture(data: bytes, limits: RequestLimits) -> "Image.Image":
    """Open a picture file and look at its size; its pixels are not decoded yet.

    Raises:
        PromptError: no picture of a kind we read, or too many pixels.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(data), formats=PICTURE_FORMATS)
    except Image.DecompressionBombError as error:
        raise PromptError(f"the image has more than {limits.max_pixels:,} pixels: send a smaller one") from error
    except (OSError, ValueError, SyntaxError, OverflowError) as error:
        raise PromptError(
            f"the image cannot be read: send a {', '.join(PICTURE_FORMATS[:-1])} or {PICTURE_FORMATS[-1]} file"
        ) from error
    if picture.width * picture.height > limits.max_pixels:
        raise PromptError(
            f"the image has {picture.width} x {picture.height} pixels, more than {limits.max_pixels:,}: "
            "send a smaller one"
        )
    return picture


def _note_on(generator: ShapeGenerator, text: str) -> str | None:
    encoder = generator.encoder
    if not encoder.texts.knows(text):
        return "the model knows none of the text's words, so the text says nothing to it: write it in English"
    if encoder.is_cut(text):
        return f"the text is longer than the {encoder.text_length} tokens that the model reads: its end is left out"
    return None


def generate_shape(
    generator: ShapeGenerator, prompt: PreparedPrompt, on_step: Callable[[int, int], None] | None = None
) -> Shape:
    """Generate the shape of one prompt, in the normalised frame.

    Raises:
        AssetError: `empty_decode`, the generated field has no surface.
    """
    return generator.generate(
        image=prompt.image,
        text=prompt.text,
        seed=prompt.seed,
        guidance_scale=prompt.guidance_scale,
        num_steps=prompt.num_steps,
        temperature=prompt.temperature,
        on_step=on_step,
    )


def answer(
    generator: ShapeGenerator, prompt: PreparedPrompt, on_step: Callable[[int, int], None] | None = None
) -> tuple[ShapeAnswer, Shape | None]:
    """Generate one shape and put it into an answer; a prompt that gives no surface is an answer, too."""
    picture = None if prompt.image is None else _png(prompt.image)
    try:
        shape = generate_shape(generator, prompt, on_step)
    except AssetError as error:
        text = f"the model gave no surface for this prompt ({error.detail}): try another seed"
        return ShapeAnswer(seed=prompt.seed, picture=picture, note=prompt.note, error=text), None
    file = base64.b64encode(shape_bytes(shape, f".{prompt.format}")).decode("ascii")
    num_vertices, num_faces = (len(shape.vertices), len(shape.faces)) if isinstance(shape, Mesh) else (len(shape), 0)
    made = ShapeAnswer(
        glb=file if prompt.format == "glb" else None,
        ply=file if prompt.format == "ply" else None,
        num_vertices=num_vertices,
        num_faces=num_faces,
        seed=prompt.seed,
        picture=picture,
        note=prompt.note,
    )
    return made, shape


def _png(image: UInt8[np.ndarray, "H W 4"]) -> str:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")
