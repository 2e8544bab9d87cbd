"""`ltm3d generate`: a picture, a text or both in, a file of the shape out."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from ltm3d import api
from ltm3d.api import SUFFIXES
from ltm3d.cli.model_choice import Model, Name, Representation, chosen_model
from ltm3d.errors import PromptError
from ltm3d.tracking.client import DEFAULT_TRACKING_URI, absolute_uri

TrackingUri = Annotated[
    str,
    typer.Option(
        envvar="MLFLOW_TRACKING_URI",
        help="MLflow's tracking and registry address; a relative path is one of the main checkout.",
        show_default=True,
        callback=absolute_uri,
    ),
]


def generate(
    out: Annotated[Path, typer.Option(help="The file to write: .glb, .obj, .ply, .stl; points, Gaussians: .ply.")],
    image: Annotated[Path | None, typer.Option(help="A picture of one object: alpha, or a plain background.")] = None,
    text: Annotated[str | None, typer.Option(help='A text, e.g. "A 3D model of a wooden chair, Chair."')] = None,
    name: Name = "",
    representation: Representation = "sdf",
    model: Model = None,
    seed: Annotated[int, typer.Option(help="The same seed and prompt give the same shape.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Generation steps; the model's own if not given.")] = None,
    guidance: Annotated[float | None, typer.Option(help="Guidance scale; the model's own if not given.")] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Share of the diffusion's noise; the model's own if not given.")
    ] = None,
    save_prepared: Annotated[Path | None, typer.Option(help="Save the picture as the model sees it (PNG).")] = None,
    keep_largest: Annotated[
        bool, typer.Option("--keep-largest", help="Leave out all pieces of a mesh but the largest.")
    ] = False,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to compute.")] = "auto",
    tracking_uri: TrackingUri = DEFAULT_TRACKING_URI,
) -> None:
    """Generate a shape from a picture, a text, or both.

    Examples:

        ltm3d generate --image chair.png --out chair.glb

        ltm3d generate --text "A 3D model of a lamp with a round base, Lamp." --out lamp.glb --seed 3

        ltm3d generate --name mychairs --text "a chair" --out chair.glb
    """
    check_request(out=out, image=image, text=text, save_prepared=save_prepared)
    from ltm3d.serving.local_prompt import read_prompt

    start = time.monotonic()
    prompt = read_prompt(image=image, text=text, seed=seed, guidance=guidance, steps=steps, temperature=temperature)
    loaded = api.load(chosen_model(model, name, representation), tracking_uri=tracking_uri, device=device)
    typer.echo(f"model: {loaded.label}", err=True)
    loaded.check_suffix(out.suffix)
    with progress("generating") as on_step:
        shape = loaded.answer(prompt, on_step)
    if shape.note is not None:
        typer.echo(f"note: {shape.note}", err=True)
    if save_prepared is not None:
        from PIL import Image

        assert shape.picture is not None
        Image.fromarray(shape.picture).save(save_prepared, format="PNG")
        typer.echo(f"{save_prepared}: the picture as the model sees it")
    if keep_largest:
        shape = shape.largest_piece()
    shape.export(out)
    typer.echo(f"{out}: {describe(shape)}, {time.monotonic() - start:.1f} s")


def check_request(*, out: Path, image: Path | None, text: str | None, save_prepared: Path | None) -> None:
    """Find what is wrong with a request before anything slow is loaded.

    Raises:
        PromptError: no prompt, no such picture, or a place that cannot be written.
    """
    if image is None and not (text or "").strip():
        raise PromptError('give a prompt: --image FILE, --text "…", or both')
    if image is not None and not image.is_file():
        raise PromptError(f"--image {image}: no such file")
    if save_prepared is not None and image is None:
        raise PromptError("--save-prepared needs --image: there is no picture to prepare")
    if out.suffix.lower() not in SUFFIXES:
        raise PromptError(f"--out {out}: the name must end in one of {', '.join(SUFFIXES)}")
    for option, path in (("--out", out), ("--save-prepared", save_prepared)):
        if path is None:
            continue
        if path.is_dir():
            raise PromptError(f"{option} {path}: is a folder, a file name is needed")
        if not path.parent.is_dir():
            raise PromptError(f"{option} {path}: the folder {path.parent} does not exist, make it first")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise PromptError(f"{option} {path}: may not be written")


def describe(shape: api.GeneratedShape) -> str:
    """Say how much there is of a shape, and its seed."""
    return repr(shape).removeprefix("GeneratedShape(").removesuffix(")")


@contextmanager
def progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show steps as a bar on a terminal and as a few plain lines elsewhere, on stderr."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(label, total=None)
            yield lambda step, total: bar.update(task, completed=step, total=total)
        return

    def plain(step: int, total: int) -> None:
        if step == total or step % max(1, total // 4) == 0:
            typer.echo(f"{label}: step {step} of {total}", err=True)

    yield plain
