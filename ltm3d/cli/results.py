"""`ltm3d results`: what the last `dvc repro` gave, on one screen; with --all every metric."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from ltm3d.api import DEFAULT_TRACKING_URI
from ltm3d.cli.generate import TrackingUri
from ltm3d.errors import DataError, ModelError

if TYPE_CHECKING:
    from ltm3d.registry.overview import ListedVersion

PROMPTS = ("image", "text", "both")
ANY_PROMPT = "A 3D model of a wooden chair, Chair."


def results(
    data: Annotated[Path, typer.Option(help="The pipeline's data folder.")] = Path("data"),
    params: Annotated[Path, typer.Option(help="The recipe that ran.")] = Path("params.yaml"),
    show_all: Annotated[bool, typer.Option("--all", help="Print every metric.")] = False,
    tracking_uri: TrackingUri = DEFAULT_TRACKING_URI,
) -> None:
    """Print the metrics of the last `dvc repro`, the gate's verdict, where to look further and what to try.

    Examples:

        ltm3d results

        ltm3d results --all
    """
    recipe = yaml.safe_load(params.read_text(encoding="utf-8")) if params.is_file() else {}
    wanted = [name for name in recipe.get("representations", ()) if _generator_file(data, name).is_file()]
    files = sorted((data / "metrics").glob("*.json"))
    if not files or not (wanted or show_all):
        raise DataError(f"{data / 'metrics'} has no metrics of this recipe yet; run `make demo`, or `dvc repro`")
    if show_all:
        for path in files:
            if not path.stem.endswith(("_assets", "_provenance")):
                typer.echo(f"\n{path}")
                typer.echo("\n".join(table(json.loads(path.read_text()))))
        return
    typer.echo(f"recipe {recipe['recipe']}: mean CD-L1 of test shapes to the prompt's own shape, lower is nearer")
    listed = registered(tracking_uri)
    for name in wanted:
        typer.echo(summary(name, json.loads(_generator_file(data, name).read_text())))
        typer.echo(f"  {'':<12}{verdict(data, name, listed)}")
    typer.echo("where to look")
    pages = [path.parent.name for path in sorted((data / "gallery").glob("*/index.html"))]
    if pages:
        typer.echo(f"  gallery     {data / 'gallery'}/NAME/index.html in a browser; NAME: {', '.join(pages)}")
    if (data / "card" / "index.html").is_file():
        typer.echo(f"  data card   {data / 'card' / 'index.html'}")
    typer.echo(f"  runs        mlflow ui --backend-store-uri {tracking_uri}")
    typer.echo("  metrics     ltm3d results --all")
    typer.echo("what to try")
    which = options(recipe.get("name", ""), wanted[0])
    suffix = "glb" if wanted[0] in ("sdf", "mesh") else "ply"
    typer.echo(f'  ltm3d generate{which} --text "{a_caption(data)}" --out shape.{suffix}')
    typer.echo(f"  ltm3d demo{which}")
    typer.echo("  ltm3d versions")


def _generator_file(data: Path, representation: str) -> Path:
    return data / "metrics" / f"generator_{representation}.json"


def summary(representation: str, metrics: dict[str, Any]) -> str:
    """Write one line of a representation: generated shapes, and beside them what they have to beat."""

    def distance(prompt: str, method: str) -> str:
        value = metrics.get(prompt, {}).get(method, {}).get("chamfer_l1")
        return "–" if value is None else f"{value:.3f}"

    generated = ", ".join(f"{prompt} {distance(prompt, 'generated')}" for prompt in PROMPTS)
    beside = f"retrieval by image {distance('image', 'retrieval')}, category mean {distance('none', 'category_mean')}"
    return f"  {representation:<12}{generated}; {beside} ({metrics.get('protocol', '')})"


def registered(tracking_uri: str) -> "dict[str, ListedVersion]":
    """Read the registry's versions by address; none where it does not answer."""
    from ltm3d.registry.overview import list_registry

    try:
        return {each.record.uri: each for each in list_registry(tracking_uri)}
    except ModelError:
        return {}


def verdict(data: Path, representation: str, listed: "Mapping[str, ListedVersion]") -> str:
    """Say what the gate decided of the version that the last run registered.

    Args:
        listed: the registry's versions by address.
    """
    try:
        receipt = json.loads((data / "receipts" / f"{representation}.json").read_text(encoding="utf-8"))
        version = listed[str(receipt["uri"])]
    except (OSError, ValueError, KeyError):
        return "not registered here: run `dvc repro`"
    decision = version.record.tags.get("gate")
    if decision is None:
        return f"{version.label}: not promoted yet, see `ltm3d promote --help`"
    decided = json.loads(decision)
    reason = str(next(iter(decided["reasons"]), ""))
    return f"{version.label}: the gate {'passed it' if decided['passed'] else 'keeps it out'}, {reason[:100]}"


def options(name: str, representation: str) -> str:
    """Write the options that name a recipe's model."""
    said = f" --name {name}" if name else ""
    return said if representation == "sdf" else f"{said} --representation {representation}"


def a_caption(data: Path) -> str:
    """Take the caption of a test shape, which is a prompt that the model can know."""
    from ltm3d.shards.index import iter_index

    try:
        entries = iter_index(data / "meshes")
        caption = next((entry.caption for entry in entries if entry.split == "test" and entry.caption), ANY_PROMPT)
    except DataError:
        return ANY_PROMPT
    return caption.replace('"', "'")


def table(metrics: dict[str, Any]) -> list[str]:
    """Lines of `name  value`; an interval is one line, a group of groups is a grid."""
    lines: list[str] = []
    plain = {name: value for name, value in metrics.items() if not is_group(value)}
    width = max((len(name) for name in plain), default=0)
    lines += [f"  {name:<{width}}  {show(value)}" for name, value in plain.items()]
    for name, group in metrics.items():
        if is_group(group):
            lines += ["", f"  {name}:"]
            lines += grid(group) if all(is_group(row) for row in group.values()) else [f"  {x}" for x in table(group)]
    return lines


def grid(rows: dict[str, dict[str, Any]]) -> list[str]:
    """One line a row, one column a metric."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    cells = [["", *columns]]
    for name, row in rows.items():
        cells.append([name, *(show(row[column]) if column in row else "–" for column in columns)])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells)
    return [f"    {line.rstrip()}" for line in lines]


def is_group(value: Any) -> bool:
    """Whether a value holds further metrics; a mean with its interval is one metric."""
    return isinstance(value, dict) and bool(value) and not {"mean", "low", "high"} <= set(value)


def show(value: Any) -> str:
    """A metric as people read it."""
    if isinstance(value, dict) and "mean" in value:
        return f"{show(value['mean'])} [{show(value['low'])}, {show(value['high'])}]"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list) and len(value) > 8:
        return f"{len(value)} values"
    return str(value)
