"""`ltm3d tokens audit`: does token i of a trained tokenizer mean the same thing when a shape is encoded twice?"""

from pathlib import Path
from typing import Annotated

import typer

from ltm3d.errors import ConfigError, DataError

tokens = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@tokens.callback()
def group() -> None:
    """Look at a tokenizer's tokens."""


@tokens.command()
def audit(
    representation: Annotated[str, typer.Argument(help="sdf, point_cloud, mesh or gaussians.")] = "sdf",
    data: Annotated[Path, typer.Option(help="The pipeline's data folder.")] = Path("data"),
    split: Annotated[str, typer.Option(help="train, val or test.")] = "val",
    num_points: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Points that the encoder reads of an asset, twice.",
            show_default="encode_tokens.num_surface of the params.yaml beside the data, else the default of an example",
        ),
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Keep the verdict with the tokenizer.")] = False,
) -> None:
    """Encode each shape of a split from two draws of its points and compare the tokens.

    Elementwise distance above half of the random one means that the order carries nothing: a generator fails on it, and
    train_generator refuses it. The verdict says how many points it is of (num_surface).

    Example:

        ltm3d tokens audit sdf --split test
    """
    from ltm3d.shards.index import read_index, uids_of_split
    from ltm3d.shards.read import ShardSet
    from ltm3d.tokenizers.kinds import load_tokenizer
    from ltm3d.transforms.audit_tokens import audit_set, write_audit

    folder, targets = data / "models" / "tokenizer" / representation, data / "targets" / representation
    tokenizer = load_tokenizer(folder)
    known = set(ShardSet(targets).uids)
    uids = [uid for uid in uids_of_split(read_index(data / "meshes"), split) if uid in known]
    if len(uids) < 2:
        raise DataError(f"{len(uids)} assets of split {split!r} have targets in {data}; an audit needs two")
    metrics = None
    if tokenizer.is_set:
        asked = num_points or encoded_points(data.absolute().parent / "params.yaml")
        asked = asked or tokenizer.example_config_type().num_encoded
        metrics = audit_set(tokenizer, ShardSet(targets, uids), num_surface=asked)
    else:
        typer.echo(f"a {tokenizer.kind} is encoded whole, nothing is drawn: the audit does not apply")
    for name, value in (metrics or {}).items():
        typer.echo(f"{name:<24} {value:.4f}" if isinstance(value, float) else f"{name:<24} {value}")
    if write:
        write_audit(folder, metrics)
        typer.echo(f"the verdict is kept in {folder}")


def encoded_points(params: Path) -> int | None:
    """Read how many points of an asset `encode_tokens` reads; None where no settings say so.

    Raises:
        ConfigError: it is no number of points.
    """
    import yaml

    if not params.is_file():
        return None
    settings = yaml.safe_load(params.read_text()) or {}
    count = (settings.get("encode_tokens") or {}).get("num_surface")
    if count is not None and (not isinstance(count, int) or count < 1):
        raise ConfigError(f"{params}: encode_tokens.num_surface is {count!r}; use a whole number of at least 1")
    return count
