"""`ltm3d plan`: what preparing many assets on a CPU cluster, or training on a GPU cluster, will take."""

from pathlib import Path
from typing import Annotated

import typer

from ltm3d.cli import plan_data
from ltm3d.errors import DataError
from ltm3d.shards.rates import read_rates


def plan(
    assets: Annotated[int, typer.Option(min=1, help="How many objects the sources list.")],
    nodes: Annotated[int, typer.Option(min=1, help="Nodes of the CPU cluster.")],
    cores_per_node: Annotated[int, typer.Option(min=1, help="Cores of a node.")] = 32,
    utilisation: Annotated[
        float, typer.Option(min=0.01, max=1, help="Share of the cores' time spent on assets.")
    ] = 0.8,
    reject_fraction: Annotated[float, typer.Option(min=0, max=0.99, help="Share that clean_meshes rejects.")] = 0.05,
    network_mb_per_s: Annotated[float, typer.Option(min=0.001, help="MB/s the cluster downloads at.")] = 1000.0,
    price_per_node_hour: Annotated[float, typer.Option(min=0, help="Price of a node for an hour.")] = 1.6,
    storage_price: Annotated[float, typer.Option(min=0, help="Price of a GB for a month.")] = 0.023,
    months: Annotated[float, typer.Option(min=0, help="How long the shards are kept.")] = 1.0,
    shard_mb: Annotated[float, typer.Option(min=1, help="Largest size of a shard that is aimed at.")] = 256.0,
    target: Annotated[list[str] | None, typer.Option(help="Only this stage or target; may be given again.")] = None,
    data: Annotated[Path, typer.Option(help="The data folder whose stages measured the rates.")] = Path("data"),
    rates: Annotated[Path | None, typer.Option(help="Take the rates from a file that --json wrote.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; it holds the rates, too.")] = False,
    train: Annotated[str | None, typer.Option(help="Plan a training instead: a size of conf/generator.")] = None,
    tokens: Annotated[int, typer.Option(min=1, help="--train: shape tokens, L.")] = 512,
    channels: Annotated[int, typer.Option(min=1, help="--train: channels of a token, D.")] = 32,
    condition_tokens: Annotated[int, typer.Option(min=2, help="--train: tokens of image and text.")] = 334,
    condition_width: Annotated[int, typer.Option(min=1, help="--train: their channels.")] = 768,
    epochs: Annotated[float, typer.Option(min=0.001, help="--train: how often each asset is seen.")] = 400.0,
    batch: Annotated[int, typer.Option(min=1, help="--train: samples a step, over all GPUs.")] = 1024,
    micro_batch: Annotated[int, typer.Option(min=0, help="--train: samples a GPU holds; 0 = its share.")] = 0,
    gpus_per_node: Annotated[int, typer.Option(min=1, help="--train: GPUs of a node.")] = 8,
    gpu_memory_gb: Annotated[float, typer.Option(min=1, help="--train: memory of a GPU.")] = 80.0,
    peak_tflops: Annotated[float, typer.Option(min=0.001, help="--train: a GPU's dense bf16 peak.")] = 989.0,
    mfu: Annotated[float, typer.Option(min=0.01, max=1, help="--train: share of it the model gets.")] = 0.35,
    rate: Annotated[float | None, typer.Option(min=1e-6, help="--train: samples/s of one GPU, measured.")] = None,
    network_gb_per_s: Annotated[float, typer.Option(min=0.001, help="--train: GB/s a GPU sends at.")] = 25.0,
    conf: Annotated[Path, typer.Option(help="--train: the checkout's conf/ folder.")] = Path("conf"),
) -> None:
    """Plan the preparation of many assets on a CPU cluster: hours, storage and cost a target, and the assumptions.

    With --train, plan the generator's training on a GPU cluster: steps, hours, memory a GPU for each ZeRO stage, disk
    and network; --assets are then those of the train split.

    Examples:

        ltm3d plan --train large --assets 800000 --nodes 2 --batch 1024

        ltm3d plan --assets 800000 --nodes 64

        ltm3d plan --assets 800000 --nodes 64 --target build_targets@sdf --price-per-node-hour 2.1 --json > plan.json
    """
    if train is not None:
        from ltm3d.cli import plan_training  # with torch

        setting = plan_training.Setting(
            num_assets=assets,
            num_tokens=tokens,
            token_dim=channels,
            num_condition_tokens=condition_tokens,
            condition_width=condition_width,
            epochs=epochs,
            global_batch=batch,
            micro_batch=micro_batch,
            nodes=nodes,
            gpus_per_node=gpus_per_node,
            gpu_memory_gb=gpu_memory_gb,
            peak_tflops=peak_tflops,
            utilisation=mfu,
            rate=rate,
            network_gb_per_s=network_gb_per_s,
            keep_checkpoints=2,
            price_per_node_hour=price_per_node_hour,
        )
        plan_training.show(plan_training.make_plan(train, setting, conf), as_json)
        return
    measured = read_rates(data) if rates is None else plan_data.load_rates(rates)
    if not measured:
        raise DataError(
            f"no rates were measured: {data / 'runs'} has no */rates.jsonl; run the data stages on some hundred assets "
            "of the kind that is planned (dvc repro; shards of before are not measured: remove them), or give --rates"
        )
    cluster = plan_data.Cluster(
        nodes=nodes,
        cores_per_node=cores_per_node,
        utilisation=utilisation,
        network_mb_per_s=network_mb_per_s,
        price_per_node_hour=price_per_node_hour,
        storage_price=storage_price,
        months=months,
    )
    made = plan_data.make_plan(
        measured, target, num_assets=assets, reject_fraction=reject_fraction, cluster=cluster, shard_mb=shard_mb
    )
    plan_data.show(made, as_json)
