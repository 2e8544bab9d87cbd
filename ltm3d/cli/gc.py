"""`ltm3d gc`: list, and remove on request, what nothing refers to."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ltm3d.cli.generate import TrackingUri
from ltm3d.errors import ConfigError, ModelError
from ltm3d.tracking.client import DEFAULT_TRACKING_URI, database_path


def gc(
    delete: Annotated[bool, typer.Option("--delete", help="Remove what is listed; else nothing changes.")] = False,
    left_out: Annotated[
        list[str] | None,
        typer.Option(
            "--left-out", help="With --delete: also the runs of this representation, which params.yaml leaves out."
        ),
    ] = None,
    keep: Annotated[int, typer.Option(min=0, help="Newest versions of each model that keep their weights.")] = 3,
    data: Annotated[Path, typer.Option(help="The pipeline's data folder.")] = Path("data"),
    tracking_uri: TrackingUri = DEFAULT_TRACKING_URI,
) -> None:
    """List run folders, checkpoints and weights that nothing refers to.

    Weights stay that have an alias, are of a model's newest versions, or are named by a receipt in data/receipts. A
    version whose weights go keeps its metrics, settings and lock: `ltm3d restore` brings back what made it. The DVC
    cache has its own command, `dvc gc --workspace`.

    Runs of a representation that params.yaml leaves out now are listed apart and stay, unless --left-out names it:
    another recipe may have made them, in hours, and goes on with them.

    Examples:

        ltm3d gc

        ltm3d gc --keep 1 --delete

        ltm3d gc --delete --left-out mesh
    """
    from ltm3d.freshness.stages import read_stages, read_yaml, stage_labels
    from ltm3d.registry.old_weights import find_old_weights, remove_weights
    from ltm3d.training.checkpoints.old_runs import find_run_leftovers, remove_leftover

    runs = data / "runs"
    labels = stage_labels(read_stages(Path()), read_yaml(Path("params.yaml")))
    rows: list[tuple[int, str, str]] = []
    removed = 0
    leftovers = find_run_leftovers(runs, labels)
    named = set(left_out or ())
    if unknown := sorted(named - {leftover.left_out for leftover in leftovers}):
        there = ", ".join(sorted({leftover.left_out for leftover in leftovers} - {""})) or "none"
        raise ConfigError(f"--left-out {unknown[0]}: params.yaml leaves out no such runs; there are: {there}")
    apart = [leftover for leftover in leftovers if leftover.left_out and leftover.left_out not in named]
    for leftover in (each for each in leftovers if each not in apart):
        rows.append((leftover.size, str(leftover.path), leftover.reason))
        if delete:
            remove_leftover(leftover, runs)
            removed += leftover.size
    if has_registry(tracking_uri):
        for weights in find_old_weights(tracking_uri, keep=keep, kept_uris=read_receipts(data / "receipts")):
            rows.append((weights.size, weights.label, weights.reason))
            if delete and remove_weights(weights, tracking_uri):
                removed += weights.size
    for size, label, reason in rows:
        typer.echo(f"{size / 1e6:>10.1f} MB  {label}  ({reason})")
    if apart:
        options = " ".join(f"--left-out {name}" for name in sorted({leftover.left_out for leftover in apart}))
        typer.echo(f"of representations that params.yaml leaves out; they stay unless asked for ({options}):")
    for leftover in apart:
        typer.echo(f"{leftover.size / 1e6:>10.1f} MB  {leftover.path}  ({leftover.reason})")
    total = sum(size for size, _, _ in rows)
    if delete:
        typer.echo(f"{removed / 1e6:.1f} MB removed")
    elif rows:
        typer.echo(f"{total / 1e6:.1f} MB could go; `ltm3d gc --delete` removes them")
    else:
        typer.echo("nothing to remove")


def has_registry(tracking_uri: str) -> bool:
    """Say whether there is a registry to look into; MLflow would make an empty one."""
    path = database_path(tracking_uri)
    return path is None or path.is_file()


def read_receipts(folder: Path) -> set[str]:
    """Return the versions that the receipts of this checkout name.

    Raises:
        ModelError: a receipt cannot be read, so it is not known what it names.
    """
    uris = set()
    for path in sorted(folder.glob("*.json")):
        try:
            uris.add(str(json.loads(path.read_text())["uri"]))
        except (ValueError, KeyError) as error:
            raise ModelError(f"{path} is no receipt ({error}); mend or remove it first") from error
    return uris
