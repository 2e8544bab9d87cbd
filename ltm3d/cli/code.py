"""`ltm3d code`: which stages' code changed since their results were made, and the word that results are the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ltm3d.errors import ConfigError

if TYPE_CHECKING:
    from ltm3d.freshness.stage_code import StageCode

code = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
DataFolder = Annotated[Path, typer.Option(help="The pipeline's data folder.")]


@code.callback()
def group() -> None:
    """Compare the code of the stages with the code that their results were made with; see docs/freshness.md."""


@code.command()
def status(data: DataFolder = Path("data")) -> None:
    """List the stages whose results other code has made, and what changed; `dvc repro` makes them again.

    Example:

        ltm3d code status
    """
    from ltm3d.freshness.stage_code import read_note

    num_stages = num_changed = 0
    for current, made_with, state_dir in _stages(data):
        num_stages += bool(made_with)
        others = sorted(made_with - current.accepted)
        num_changed += bool(others)
        note = read_note(state_dir)
        for digest in others:
            known = note if note is not None and note["digest"] == digest else None
            typer.echo(f"{current.stage}: {current.changes(known)}")
    typer.echo(f"{num_changed} of {num_stages} stages with results have other code than made them")


@code.command()
def same(
    stage: Annotated[str, typer.Argument(help="A stage, e.g. build_targets, or one item: build_targets@sdf.")],
    why: Annotated[str, typer.Option("--why", help="The reason, for those who review it.")],
    data: DataFolder = Path("data"),
) -> None:
    """Record that the code of a stage, changed since its results were made, would make the same; nothing is done again.

    The record is a few lines in code_same.yaml: commit it with the change.

    Example:

        ltm3d code same build_targets@sdf --why "a variable has another name"
    """
    from ltm3d.freshness.records import RECORDS_FILE, SameResults, read_records, write_records
    from ltm3d.freshness.stage_code import read_note

    reason = " ".join(why.split())
    if not reason:
        raise ConfigError("--why is empty; say why the results are the same, in one line")
    path = _root() / RECORDS_FILE
    records = list(read_records(path))
    asked = [entry for entry in _stages(data) if stage in (entry[0].stage, entry[0].stage.partition("@")[0])]
    if not asked:
        names = sorted({entry[0].stage for entry in _stages(data)})
        raise ConfigError(f"{stage} is no stage of dvc.yaml with this params.yaml; one of {', '.join(names)}")
    num_before = len(records)
    for current, made_with, state_dir in asked:
        note = read_note(state_dir)
        for digest in sorted(made_with - current.accepted):
            known = note if note is not None and note["digest"] == digest else None
            changed = current.changes(known)
            records.append(
                SameResults(stage=current.stage, was=digest, now=current.digest, changed=changed, why=reason)
            )
            typer.echo(f"{current.stage}: {digest[:12]} → {current.digest[:12]} ({changed})")
    if len(records) == num_before:
        typer.echo(f"nothing to record: no result of {stage} was made with other code")
        return
    write_records(path, records)
    typer.echo(f"recorded in {path.name}; commit it with the change")


def _stages(data: Path) -> Iterator[tuple["StageCode", set[str], Path]]:
    """Yield each stage's code, the digests that its results name, and its folder of data/runs."""
    from ltm3d.freshness.made_with import digests_of_results
    from ltm3d.freshness.stage_code import CACHE_FILE, CodeReader
    from ltm3d.freshness.stages import WITHOUT_RESULTS, read_stages, read_yaml, stage_labels

    root = _root()
    stages, params = read_stages(root), read_yaml(Path("params.yaml"))
    kinds = {str(entry.get("kind")) for entry in params.get("sources") or ()}
    reader = CodeReader(root, cache=data / "runs" / CACHE_FILE)
    for label, (name, item) in stage_labels(stages, params).items():
        if name not in WITHOUT_RESULTS:
            state_dir = data / "runs" / label
            current = reader.of(name, item=item, kinds=kinds)
            yield current, digests_of_results(stages[name], item, data, state_dir), state_dir


def _root() -> Path:
    """Return the checkout that is worked in: the folder here, where it holds the code, as it does for `dvc repro`."""
    from ltm3d.freshness.stage_code import ROOT

    return Path.cwd() if (Path.cwd() / "pipelines").is_dir() else ROOT
