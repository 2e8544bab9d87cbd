"""`ltm3d versions`: what the registry has."""

import typer

from ltm3d.api import DEFAULT_TRACKING_URI, check_registry
from ltm3d.cli.generate import TrackingUri


def versions(tracking_uri: TrackingUri = DEFAULT_TRACKING_URI) -> None:
    """List registered models with their versions: aliases, recipe, date, distance to the image prompt's own shape.

    Example:

        ltm3d versions
    """
    from ltm3d.registry.overview import list_registry

    check_registry(tracking_uri)
    listed = list_registry(tracking_uri)
    if not listed:
        typer.echo(f"{tracking_uri} has no models yet: `dvc repro` registers one")
    rows = [("model", "version", "aliases", "recipe", "registered (UTC)", "CD-L1 image", "protocol")]
    for each in listed:
        record = each.record
        distance = record.metrics.get("image/generated/chamfer_l1")
        rows.append(
            (
                record.name,
                record.version,
                ", ".join(each.aliases) or "–",
                record.tags.get("recipe", "–"),
                f"{record.created:%Y-%m-%d %H:%M}",
                "–" if distance is None else f"{distance:.3f}",
                record.tags.get("protocol") or "–",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows if listed else ():
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
