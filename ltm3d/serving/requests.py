"""A request for a shape and its answer: one form for `ltm3d generate`, the registered model and the server.

{"inputs": [{"text": "A 3D model of a chair, Chair.", "seed": 1}]}  →  {"predictions": [{"glb": "Z2xURg…", …}]}
"""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from ltm3d.errors import ConfigError, PromptError

FORMATS = ("glb", "ply")
EXAMPLE_PROMPT = '{"text": "…"}'
EXAMPLE = f'{{"inputs": [{EXAMPLE_PROMPT}, …]}}'
MAX_SEED = 2**53 - 1  # the largest that every reader of JSON keeps exactly


class ShapeRequest(BaseModel):
    """One prompt: an image, a text, or both.

    Attributes:
        image: a picture file (PNG, JPEG, WebP, GIF, BMP, TIFF) in base64; of an animation the first frame counts.
        guidance_scale, num_steps, temperature: the model's own where left out.
        format: `glb` or `ply`; where left out, glb for a mesh and ply for points and Gaussians.
    """

    model_config = ConfigDict(extra="forbid")

    image: str | None = None
    text: str | None = None
    seed: int | None = 0
    guidance_scale: float | None = None
    num_steps: int | None = None
    temperature: float | None = None
    format: str | None = None


class ShapeAnswer(BaseModel):
    """One shape as a file in base64, or the reason why there is none.

    Attributes:
        glb, ply: the file; one of the two, in the format that was asked for.
        num_vertices: of the mesh; or the number of points or Gaussians.
        picture: what the model saw of the prompt's image, cut out and centred: a PNG in base64.
        note: what the client should know, e.g. that the model knows none of the text's words.
        error: the model made no surface of this prompt; another seed may.
    """

    glb: str | None = None
    ply: str | None = None
    num_vertices: int = 0
    num_faces: int = 0
    seed: int = 0
    picture: str | None = None
    note: str | None = None
    error: str | None = None


class ShapeBatch(BaseModel):
    """The prompts of one request."""

    model_config = ConfigDict(extra="forbid")

    inputs: list[ShapeRequest]


class Predictions(BaseModel):
    """One answer a prompt, in their order."""

    predictions: list[ShapeAnswer]


class Health(BaseModel):
    """A server that runs.

    Attributes:
        requests: that hold a place now, of `max_waiting` + 1.
    """

    model: str
    representation: str
    requests: int
    max_waiting: int
    limits: dict[str, float]


class Refusal(BaseModel):
    """Why a request was not answered: MLflow's code, and a message with value, limit and remedy."""

    error_code: str
    message: str


@dataclass(frozen=True, kw_only=True)
class RequestLimits:
    """What one request may ask for.

    Attributes:
        max_batch: prompts of one request.
        max_body_bytes: of the JSON text, pictures in base64 included.
        max_image_bytes, max_pixels: of one picture file, and of the picture in it.
        max_text_length: characters.
        max_steps, max_guidance, max_temperature: of the generation.
    """

    max_batch: int = 8
    max_body_bytes: int = 16_000_000
    max_image_bytes: int = 8_000_000
    max_pixels: int = 25_000_000
    max_text_length: int = 2000
    max_steps: int = 128
    max_guidance: float = 20.0
    max_temperature: float = 4.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ConfigError(f"{name} is {value}; it must be more than 0")


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A request with its picture as a file's bytes; else as `ShapeRequest`. An empty text is none."""

    image: bytes | None = None
    text: str | None = None
    seed: int = 0
    guidance_scale: float | None = None
    num_steps: int | None = None
    temperature: float | None = None
    format: str | None = None


def describe_fault(fault: Mapping[str, Any], *, is_batch: bool) -> str:
    """Return what is wrong with a body, by the first error that FastAPI found in it; what was sent is not repeated."""
    if fault["type"] == "json_invalid":
        return f"the body is not JSON ({fault['ctx']['error']}); send JSON in UTF-8"
    place = [str(part) for part in fault["loc"][1:]]
    if not place or (is_batch and (place[0] != "inputs" or fault["type"] == "missing")):
        return f"the body must be {EXAMPLE if is_batch else 'one prompt, ' + EXAMPLE_PROMPT}"
    return f"{'.'.join(place)}: {fault['msg']}; the fields of a prompt are {', '.join(ShapeRequest.model_fields)}"


def read_batch(requests: Sequence[ShapeRequest], limits: RequestLimits) -> list[Prompt]:
    """Check all requests of a batch and return them as prompts; pictures are decoded from base64, not opened.

    Raises:
        PromptError: none, too many, or one that is out of its limits; the message says which.
    """
    if not 1 <= len(requests) <= limits.max_batch:
        raise PromptError(f"inputs has {len(requests)} prompts; send 1 to {limits.max_batch} in one request")
    prompts = []
    for index, request in enumerate(requests):
        try:
            prompt = Prompt(
                image=None if request.image is None else _from_base64(request.image, limits),
                text=request.text,
                seed=request.seed or 0,
                guidance_scale=request.guidance_scale,
                num_steps=request.num_steps,
                temperature=request.temperature,
                format=request.format,
            )
            check_prompt(prompt, limits)
        except PromptError as error:
            raise PromptError(f"inputs[{index}]: {error}") from error
        prompts.append(prompt)
    return prompts


def check_prompt(prompt: Prompt, limits: RequestLimits) -> None:
    """Check what can be checked without a model and without opening the picture.

    Raises:
        PromptError: what is wrong, the limit, and what to send instead.
    """
    if prompt.image is None and not (prompt.text or "").strip():
        raise PromptError("there is no prompt: send an image, a text, or both")
    if prompt.text is not None:
        _check_text(prompt.text, limits.max_text_length)
    if prompt.image is not None and len(prompt.image) > limits.max_image_bytes:
        raise PromptError(
            f"the image has {len(prompt.image):,} bytes, more than {limits.max_image_bytes:,}: send a smaller file"
        )
    if not 0 <= prompt.seed <= MAX_SEED:
        raise PromptError(f"seed is {prompt.seed}; it must be 0 to {MAX_SEED}")
    if prompt.num_steps is not None and not 1 <= prompt.num_steps <= limits.max_steps:
        raise PromptError(f"num_steps is {prompt.num_steps}; it must be 1 to {limits.max_steps}")
    for name, value, top in (
        ("guidance_scale", prompt.guidance_scale, limits.max_guidance),
        ("temperature", prompt.temperature, limits.max_temperature),
    ):
        if value is not None and not (math.isfinite(value) and 0 <= value <= top):
            raise PromptError(f"{name} is {value}; it must be 0 to {top:g}")
    if prompt.format is not None and prompt.format not in FORMATS:
        raise PromptError(f"format is {prompt.format!r}; it must be one of {', '.join(FORMATS)}")


def _check_text(text: str, max_length: int) -> None:
    if len(text) > max_length:
        raise PromptError(f"the text has {len(text):,} characters, more than {max_length:,}: send a shorter one")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise PromptError(f"the text is not valid Unicode at character {error.start}: send whole characters") from error


def _from_base64(text: str, limits: RequestLimits) -> bytes:
    if len(text) > 4 * (limits.max_image_bytes // 3 + 2):  # before it is decoded
        raise PromptError(
            f"the image has about {3 * len(text) // 4:,} bytes, more than {limits.max_image_bytes:,}: "
            "send a smaller file"
        )
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise PromptError(f"the image is not base64 ({error}): send a PNG or JPEG file in base64") from error
