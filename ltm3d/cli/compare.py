"""`ltm3d compare`: two galleries, or the galleries of two model versions, on one page."""

from pathlib import Path
from typing import Annotated

import typer

from ltm3d.api import DEFAULT_TRACKING_URI, check_registry
from ltm3d.cli.generate import TrackingUri
from ltm3d.cli.model_choice import Name, Representation
from ltm3d.errors import ConfigError


def compare(
    galleries: Annotated[
        list[str],
        typer.Argument(help="Two or more: gallery folders, NAME=FOLDER to name one, or aliases, e.g. champion."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the page; it must not exist.")],
    name: Name = "",
    representation: Representation = "sdf",
    tracking_uri: TrackingUri = DEFAULT_TRACKING_URI,
) -> None:
    """Put galleries side by side: the same prompts, what each makes of them, and how the metrics change.

    Examples:

        ltm3d compare champion challenger --out comparison

        ltm3d compare before=../old/data/gallery/sdf after=data/gallery/sdf --out comparison
    """
    import tempfile

    from ltm3d.registry.galleries import download_gallery
    from ltm3d.registry.names import model_name
    from ltm3d.serving.comparison import compare_galleries

    if out.exists():
        raise ConfigError(f"{out} exists; name a new folder")
    with tempfile.TemporaryDirectory() as temporary:
        found = []
        for number, given in enumerate(galleries):
            title, _, path = given.rpartition("=")
            folder = Path(path)
            if title or folder.is_dir():
                found.append((title or str(folder), folder))
            else:
                check_registry(tracking_uri)
                label, folder = download_gallery(
                    model_name(representation, name), given, tracking_uri, Path(temporary) / str(number)
                )
                found.append((label, folder))
        page = compare_galleries(out, found, title=" · ".join(label for label, _ in found))
    typer.echo(f"{page}  (open it in a browser)")
