"""`ltm3d plan`: what preparing many assets on a CPU cluster, or training on a GPU cluster, will take."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ltm3d.cli.plan_data import plan_data
from ltm3d.cli.results import table
from ltm3d.shards.rates import read_rates


def plan(
    assets: Annotated[int, typer.Option(min=1, help="How many objects the sources list.")],
    nodes: Annotated[int, typer.Option(min=1, help="Nodes of the cluster.")],
    cores_per_node: Annotated[int, typer.Option(min=1, help="Cores of a node.")] = 32,
    network_mb_per_s: Annotated[float, typer.Option(min=0.001, help="MB/s the cluster downloads at.")] = 1000.0,
    price_per_node_hour: Annotated[float, typer.Option(min=0, help="Price of a node for an hour.")] = 1.6,
    data: Annotated[Path, typer.Option(help="The data folder whose stages measured the rates.")] = Path("data"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    train: Annotated[str | None, typer.Option(help="Plan a training instead: a size of conf/generator.")] = None,
    tokens: Annotated[int, typer.Option(min=1, help="--train: shape tokens, L.")] = 512,
    channels: Annotated[int, typer.Option(min=1, help="--train: channels of a token, D.")] = 32,
    condition_tokens: Annotated[int, typer.Option(min=2, help="--train: tokens of image and text.")] = 334,
    condition_width: Annotated[int, typer.Option(min=1, help="--train: their channels.")] = 768,
    epochs: Annotated[float, typer.Option(min=0.001, help="--train: how often each asset is seen.")] = 400.0,
    batch: Annotated[int, typer.Option(min=1, help="--train: samples a step, over all GPUs.")] = 1024,
    micro_batch: Annotated[int, typer.Option(min=0, help="--train: samples a GPU holds; 0 = its share.")] = 0,
    gpus_per_node: Annotated[int, typer.Option(min=1, help="--train: GPUs of a node.")] = 8,
    tflops: Annotated[float, typer.Option(min=0.001, help="--train: TFLOP/s a GPU does where no --rate is.")] = 350.0,
    rate: Annotated[float | None, typer.Option(min=1e-6, help="--train: samples/s of one GPU, measured.")] = None,
) -> None:
    """Plan the preparation of many assets on a CPU cluster: hours, storage and cost per stage, and the assumptions.

    With --train, plan the generator's training on a GPU cluster: steps, hours, disk, and the memory of a GPU for each
    ZeRO stage; --assets are then those of the train split.

    Examples:

        ltm3d plan --assets 800000 --nodes 64 --price-per-node-hour 2.1

        ltm3d plan --train large --assets 800000 --nodes 2 --batch 1024 --rate 230
    """
    price = nodes * price_per_node_hour
    if train is None:
        made = plan_data(
            read_rates(data),
            num_assets=assets,
            num_cores=nodes * cores_per_node,
            network_mb_per_s=network_mb_per_s,
            price_per_hour=price,
        )
    else:
        from ltm3d.cli.plan_training import plan_training  # with torch

        made = plan_training(
            train,
            token_shape=(tokens, channels),
            condition_shape=(condition_tokens, condition_width),
            num_samples=assets * epochs,
            batch=batch,
            micro_batch=micro_batch or None,
            num_gpus=nodes * gpus_per_node,
            rate=rate,
            tflops=tflops,
            price_per_hour=price,
        )
    assumptions = made.pop("assumptions")
    if as_json:
        typer.echo(json.dumps({**made, "assumptions": assumptions}, indent=1, ensure_ascii=False))
        return
    typer.echo("\n".join([*table(made), "", "  assumptions:", *(f"    - {line}" for line in assumptions)]))
