"""A prompt of somebody who works on the machine itself: the picture as a file, a PIL image or an array."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ltm3d.conditioning.photo import MAX_PIXELS
from ltm3d.errors import PromptError
from ltm3d.serving.requests import Prompt, RequestLimits, check_prompt

if TYPE_CHECKING:
    from PIL import Image

MAX_FILE_BYTES = 200_000_000


def read_prompt(
    *,
    image: "str | Path | Image.Image | np.ndarray | None",
    text: str | None,
    seed: int = 0,
    guidance: float | None = None,
    steps: int | None = None,
    temperature: float | None = None,
) -> Prompt:
    """Read and check what can be checked of a prompt without a model; arguments as of `Model.generate`.

    Raises:
        PromptError: what is wrong, the limit, and what to give instead.
    """
    prompt = Prompt(
        image=None if image is None else _picture_bytes(image),
        text=text,
        seed=seed,
        guidance_scale=guidance,
        num_steps=steps,
        temperature=temperature,
    )
    check_prompt(prompt, own_limits())
    return prompt


def own_limits() -> RequestLimits:
    """Return limits for the user's own machine: those of a server, but for the size of a picture."""
    return RequestLimits(max_image_bytes=MAX_FILE_BYTES, max_pixels=MAX_PIXELS)


def _picture_bytes(image: "str | Path | Image.Image | np.ndarray") -> bytes:
    if isinstance(image, str | Path):
        return _file_bytes(Path(image))
    from PIL import Image

    if not isinstance(image, Image.Image):
        if image.dtype != "uint8" or image.ndim != 3 or image.shape[2] not in (3, 4):
            raise PromptError(f"the image is {image.dtype} {list(image.shape)}: give uint8 [H, W, 3] or [H, W, 4]")
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _file_bytes(path: Path) -> bytes:
    if not path.is_file():
        raise PromptError(f"the image {path}: no such file")
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise PromptError(f"the image {path} has {size:,} bytes, more than {MAX_FILE_BYTES:,}: give a smaller file")
    try:
        return path.read_bytes()
    except OSError as error:
        raise PromptError(f"the image {path}: {error.strerror}; give a file that may be read") from error
