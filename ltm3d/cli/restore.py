"""`ltm3d restore`: from a registered version back to the code, settings and data that made it."""

from pathlib import Path
from typing import Annotated

import typer

from ltm3d.api import DEFAULT_TRACKING_URI, check_registry
from ltm3d.cli.generate import TrackingUri


def restore(
    model: Annotated[str, typer.Argument(help="models:/NAME/VERSION or models:/NAME@ALIAS.")],
    to: Annotated[Path, typer.Option(help="A new folder for the checkout.")],
    repository: Annotated[
        str | None, typer.Option(help="A git repository with the commit; this checkout, or the version's own.")
    ] = None,
    tracking_uri: TrackingUri = DEFAULT_TRACKING_URI,
) -> None:
    """Make a checkout of the commit, params.yaml, dvc.lock and data that a version was made of.

    Data comes out of the DVC cache of the repository, or of its remote; `dvc repro` makes the rest again.

    Example:

        ltm3d restore models:/ltm3d-sdf/3 --to ../ltm3d-sdf-3
    """
    from ltm3d.registry.restoration import restore_version

    check_registry(tracking_uri)
    if repository is None:
        repository = str(Path.cwd()) if Path(".git").exists() else ""
    restored = restore_version(model, to, repository, tracking_uri)
    typer.echo(f"{restored.folder}: commit {restored.commit[:12]}, its settings and its data")
    if restored.changes:
        typer.echo(f"  not restored, no commit has them: changes in {restored.changes}")
    for path in restored.missing:
        typer.echo(f"  missing in cache and remote: {path}")
    if restored.missing:
        typer.echo(f"  `dvc repro` in {restored.folder} makes what is missing again")
