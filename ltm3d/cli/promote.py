"""`ltm3d promote`: the gate before the alias `champion`, and the way back."""

from pathlib import Path
from typing import Annotated

import typer

from ltm3d.api import DEFAULT_TRACKING_URI, check_registry
from ltm3d.cli.generate import TrackingUri
from ltm3d.cli.model_choice import Name, Representation


def promote(
    name: Name = "",
    representation: Representation = "sdf",
    model_name: Annotated[
        str | None,
        typer.Option(help="The registered model's full name.", show_default="ltm3d-[NAME-]REPRESENTATION"),
    ] = None,
    new_test_set: Annotated[
        bool,
        typer.Option(
            "--new-test-set",
            help="Do not compare with the champion: it was measured on other data or by another protocol.",
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide and print only; change nothing.")] = False,
    rollback: Annotated[bool, typer.Option("--rollback", help="Make the champion before champion again.")] = False,
    repository: Annotated[Path, typer.Option(help="A checkout that has the commit which the version names.")] = Path(),
    tracking_uri: TrackingUri = DEFAULT_TRACKING_URI,
) -> None:
    """Make the challenger champion if it passes the gate it was registered with; exit code 1 if it does not.

    The gate is that of conf/promotion when the model was registered: committed code, an answer, a signature that
    clients know, limits of size and time, no guarded metric worse, the chosen one better beyond chance.

    Examples:

        ltm3d promote --representation sdf --dry-run

        ltm3d promote --name mychairs

        ltm3d promote --representation sdf --rollback
    """
    from ltm3d.registry.names import model_name as named
    from ltm3d.registry.promotion import promote as through_gate
    from ltm3d.registry.promotion import roll_back

    check_registry(tracking_uri)
    full = model_name or named(representation, name)
    would = "would be" if dry_run else "is"
    if rollback:
        champion, leaving = roll_back(full, tracking_uri, dry_run=dry_run)
        typer.echo(f"{champion.uri} {would} champion again, in the place of {leaving.uri}")
        return
    decision = through_gate(full, None, tracking_uri, dry_run=dry_run, repository=repository, new_test_set=new_test_set)
    typer.echo(decision.to_table())
    for reason in decision.reasons:
        typer.echo(f"  {reason}")
    outcome = f"the challenger {would} champion" if decision.passed else "the gate keeps the challenger out"
    typer.echo(f"{full}: {outcome}")
    if not decision.passed:
        raise typer.Exit(code=1)
