"""`ltm3d results`: the figures of data/metrics as tables, and where to look further."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ltm3d.api import DEFAULT_TRACKING_URI
from ltm3d.cli.generate import TrackingUri
from ltm3d.errors import DataError


def results(
    data: Annotated[Path, typer.Option(help="The pipeline's data folder.")] = Path("data"),
    tracking_uri: TrackingUri = DEFAULT_TRACKING_URI,
) -> None:
    """Print the figures of the last `dvc repro`, and where to look further.

    Example:

        ltm3d results
    """
    files = sorted((data / "metrics").glob("*.json"))
    if not files:
        raise DataError(f"{data / 'metrics'} has no figures yet; run `make demo`, or `dvc repro`")
    for path in files:
        typer.echo(f"\n{path}")
        typer.echo("\n".join(table(json.loads(path.read_text()))))
    typer.echo("\nwhere to look:")
    for page in sorted((data / "gallery").glob("*/index.html")):
        typer.echo(f"  gallery   {page}  (open it in a browser)")
    typer.echo(f"  runs      mlflow ui --backend-store-uri {tracking_uri}")
    typer.echo("  plots     dvc plots show")
    typer.echo('  try it    ltm3d generate --text "A 3D model of a wooden chair, Chair." --out chair.glb')


def table(figures: dict[str, Any]) -> list[str]:
    """Lines of `name  value`; an interval is one line, a group of groups is a grid."""
    lines: list[str] = []
    plain = {name: value for name, value in figures.items() if not is_group(value)}
    width = max((len(name) for name in plain), default=0)
    lines += [f"  {name:<{width}}  {show(value)}" for name, value in plain.items()]
    for name, group in figures.items():
        if is_group(group):
            lines += ["", f"  {name}:"]
            lines += grid(group) if all(is_group(row) for row in group.values()) else [f"  {x}" for x in table(group)]
    return lines


def grid(rows: dict[str, dict[str, Any]]) -> list[str]:
    """One line a row, one column a figure."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    cells = [["", *columns]]
    for name, row in rows.items():
        cells.append([name, *(show(row[column]) if column in row else "–" for column in columns)])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells)
    return [f"    {line.rstrip()}" for line in lines]


def is_group(value: Any) -> bool:
    """Whether a value holds further figures; a mean with its interval is one figure."""
    return isinstance(value, dict) and bool(value) and not {"mean", "low", "high"} <= set(value)


def show(value: Any) -> str:
    """A figure as people read it."""
    if isinstance(value, dict) and "mean" in value:
        return f"{show(value['mean'])} [{show(value['low'])}, {show(value['high'])}]"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list) and len(value) > 8:
        return f"{len(value)} values"
    return str(value)
