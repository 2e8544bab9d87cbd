"""`ltm3d promote`: the gate before the alias `champion`, and the way back."""

from pathlib import Path
from typing import Annotated

import typer

from ltm3d.api import DEFAULT_TRACKING_URI, check_registry
from ltm3d.cli.generate import TrackingUri


def promote(
    name: Annotated[str | None, typer.Argument(help="The registered model; ltm3d-REPRESENTATION if left out.")] = None,
    representation: Annotated[str, typer.Option(help="sdf, point_cloud, mesh or gaussians.")] = "sdf",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide and print only; change nothing.")] = False,
    rollback: Annotated[bool, typer.Option("--rollback", help="Make the champion before champion again.")] = False,
    repository: Annotated[Path, typer.Option(help="A checkout that has the commit which the version names.")] = Path(),
    tracking_uri: TrackingUri = DEFAULT_TRACKING_URI,
) -> None:
    """Make the challenger champion if it passes the gate it was registered with; exit code 1 if it does not.

    The gate is that of conf/promotion when the model was registered: committed code, an answer, a signature that
    clients know, limits of size and time, no guarded figure worse, the chosen one better beyond chance.

    Examples:

        ltm3d promote --representation sdf --dry-run

        ltm3d promote --representation sdf --rollback
    """
    from ltm3d.registry.promotion import promote as through_gate
    from ltm3d.registry.promotion import roll_back

    check_registry(tracking_uri)
    name = name or f"ltm3d-{representation}"
    would = "would be" if dry_run else "is"
    if rollback:
        champion, leaving = roll_back(name, tracking_uri, dry_run=dry_run)
        typer.echo(f"{champion.uri} {would} champion again, in the place of {leaving.uri}")
        return
    decision = through_gate(name, None, tracking_uri, dry_run=dry_run, repository=repository)
    typer.echo(decision.to_table())
    for reason in decision.reasons:
        typer.echo(f"  {reason}")
    outcome = f"the challenger {would} champion" if decision.passed else "the gate keeps the challenger out"
    typer.echo(f"{name}: {outcome}")
    if not decision.passed:
        raise typer.Exit(code=1)
