"""Hours, storage and cost of preparing many assets on a cluster, from the rates that the stages measured."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer

from ltm3d.errors import ConfigError, DataError
from ltm3d.shards.manifest import MAX_SHARDS
from ltm3d.shards.rates import Rates

ON_ALL_ASSETS = ("download", "clean_meshes")  # the others work on what clean_meshes keeps
PREPARATION = (*ON_ALL_ASSETS, "render_views")
SHARDS_PER_CORE = 4  # so that a core that ends early finds other work
MAX_SHARD_HOURS = 0.5  # of one core: what a lost node costs
GIGABYTE, MEGABYTE = 1e9, 1e6


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Where it is to run, and what that costs.

    Attributes:
        utilisation: share of the cores' time that is spent on assets.
        network_mb_per_s: at which the whole cluster downloads.
        storage_price: of one GB for one month.
    """

    nodes: int
    cores_per_node: int
    utilisation: float
    network_mb_per_s: float
    price_per_node_hour: float
    storage_price: float
    months: float

    @property
    def num_cores(self) -> int:
        """Cores of all nodes."""
        return self.nodes * self.cores_per_node


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What one stage or target will take.

    Attributes:
        hours: of wall clock, on the whole cluster.
        cost: of the nodes for these hours, and of the storage.
    """

    target: str
    num_assets: int
    cpu_seconds_per_asset: float
    cpu_hours: float
    hours: float
    gigabytes: float
    cost: float


def make_plan(
    measured: Mapping[str, Rates],
    wanted: Sequence[str] | None,
    *,
    num_assets: int,
    reject_fraction: float,
    cluster: Cluster,
    shard_mb: float,
) -> dict[str, Any]:
    """Work out everything; the keys are those of the JSON.

    Args:
        wanted: stages and targets; None = all that prepare the data.
        reject_fraction: of the assets, by clean_meshes.
        shard_mb: largest size of a shard that is aimed at.

    Raises:
        ConfigError: a wanted one was not measured.
    """
    chosen = {name: measured[name] for name in choose_targets(measured, wanted)}
    estimates = [
        estimate(name, rates, num_assets=num_assets, reject_fraction=reject_fraction, cluster=cluster)
        for name, rates in chosen.items()
    ]
    num_shards, why = recommend_shards(estimates, num_assets=num_assets, cluster=cluster, shard_mb=shard_mb)
    lines = assumptions(chosen, cluster, reject_fraction)
    lines.append(f"download.num_shards = {num_shards}, about {num_assets / num_shards:.0f} assets a shard: {why}")
    left_out = sorted(known_targets() - chosen.keys()) if not wanted else []
    if left_out:
        lines.append(f"not measured and in no sum: {', '.join(left_out)}; run them (dvc repro), then plan again")
    return {
        "assets": num_assets,
        "reject_fraction": reject_fraction,
        "cluster": asdict(cluster),
        "targets": [asdict(row) for row in estimates],
        "total": asdict(total(estimates)),
        "num_shards": num_shards,
        "assumptions": lines,
        "rates": {name: asdict(rates) for name, rates in chosen.items()},
    }


def show(plan: dict[str, Any], as_json: bool) -> None:
    """Print a plan."""
    if as_json:
        typer.echo(json.dumps(plan, indent=1, ensure_ascii=False))
        return
    for line in table([Estimate(**row) for row in plan["targets"]], plan["num_shards"]):
        typer.echo(line)
    typer.echo("\nassumptions:")
    for line in plan["assumptions"]:
        typer.echo(f"  - {line}")


def load_rates(path: Path) -> dict[str, Rates]:
    """Read the rates of a file that `ltm3d plan --json` wrote."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["rates"]
        return {name: Rates(**{**row, "machines": tuple(row["machines"])}) for name, row in rows.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        message = (
            f"--rates {path} cannot be read ({error}); make it with `ltm3d plan … --json` where rates were measured"
        )
        raise DataError(message) from error


def choose_targets(measured: Mapping[str, Rates], wanted: Sequence[str] | None) -> list[str]:
    """Put the measured stages in the order of the way of the data; by default those that prepare the data.

    Raises:
        ConfigError: a wanted one was not measured.
    """
    for name in wanted or ():
        if name not in measured:
            raise ConfigError(
                f"--target {name} was not measured, only {', '.join(sorted(measured))}: run its stage on some hundred "
                "assets (dvc repro), or leave it out"
            )
    names = wanted or [name for name in measured if name in PREPARATION or name.startswith("build_targets@")]
    if not names:
        raise ConfigError(f"no data stage was measured, only {', '.join(sorted(measured))}: run dvc repro")
    return sorted(set(names), key=lambda name: (PREPARATION.index(name) if name in PREPARATION else 99, name))


def known_targets() -> set[str]:
    """The stages and targets that a whole plan has."""
    from ltm3d.transforms.build_targets import TARGETS

    return {*PREPARATION, *(f"build_targets@{name}" for name in TARGETS)}


def estimate(name: str, rates: Rates, *, num_assets: int, reject_fraction: float, cluster: Cluster) -> Estimate:
    """Scale a stage's rates; a download takes as long as the slower of cores and network."""
    kept = num_assets * (1 - reject_fraction)
    taken_on = num_assets if name in ON_ALL_ASSETS else kept
    gigabytes = rates.bytes_per_kept_asset * (num_assets if name == "download" else kept) / GIGABYTE
    cpu_hours = rates.cpu_seconds_per_asset * taken_on / 3600
    hours = cpu_hours / (cluster.num_cores * cluster.utilisation)
    if name == "download":
        hours = max(hours, gigabytes * GIGABYTE / (cluster.network_mb_per_s * MEGABYTE) / 3600)
    cost = hours * cluster.nodes * cluster.price_per_node_hour + gigabytes * cluster.storage_price * cluster.months
    return Estimate(
        target=name,
        num_assets=round(taken_on),
        cpu_seconds_per_asset=rates.cpu_seconds_per_asset,
        cpu_hours=cpu_hours,
        hours=hours,
        gigabytes=gigabytes,
        cost=cost,
    )


def total(estimates: Sequence[Estimate]) -> Estimate:
    """Add up the rows."""
    return Estimate(
        target="all",
        num_assets=max(row.num_assets for row in estimates),
        cpu_seconds_per_asset=sum(row.cpu_seconds_per_asset for row in estimates),
        cpu_hours=sum(row.cpu_hours for row in estimates),
        hours=sum(row.hours for row in estimates),
        gigabytes=sum(row.gigabytes for row in estimates),
        cost=sum(row.cost for row in estimates),
    )


def recommend_shards(
    estimates: Sequence[Estimate], *, num_assets: int, cluster: Cluster, shard_mb: float
) -> tuple[int, str]:
    """Give the smallest number of shards that keeps them small, quickly made and well spread; say what decided."""
    by_size = max(row.gigabytes for row in estimates) * GIGABYTE / (shard_mb * MEGABYTE)
    by_time = max(row.cpu_hours for row in estimates) / MAX_SHARD_HOURS
    by_cores = SHARDS_PER_CORE * cluster.num_cores
    wanted, why = max(
        (by_cores, f"{SHARDS_PER_CORE} shards a core"),
        (by_size, f"no shard above {shard_mb:g} MB"),
        (by_time, f"no shard above {60 * MAX_SHARD_HOURS:g} minutes of one core"),
    )
    limit, limit_why = min((MAX_SHARDS, "the largest number of shards"), (num_assets, "one asset a shard"))
    return (math.ceil(wanted), why) if wanted <= limit else (limit, limit_why)


def assumptions(measured: Mapping[str, Rates], cluster: Cluster, reject_fraction: float) -> list[str]:
    """Say in plain lines what the figures rest on."""
    machines = sorted({machine for rates in measured.values() for machine in rates.machines})
    counts = ", ".join(f"{name} {rates.num_assets}" for name, rates in measured.items())
    lines = [
        f"rates were measured on {'; '.join(machines)}; a core of the cluster is as fast",
        f"assets cost what the measured ones did ({counts}): measure on assets of the kind that is planned",
        f"{cluster.nodes} nodes with {cluster.cores_per_node} cores, of whose time {cluster.utilisation:.0%} goes into "
        "assets; stages run one after the other",
        f"clean_meshes rejects {reject_fraction:.1%}; later stages work on the rest",
        f"a node costs {cluster.price_per_node_hour:g} an hour, a GB {cluster.storage_price:g} a month, for "
        f"{cluster.months:g} months; DVC's cache, where it copies, takes the storage once more",
    ]
    if "download" in measured:
        size = measured["download"].bytes_per_kept_asset / MEGABYTE
        lines.append(f"the cluster downloads {cluster.network_mb_per_s:g} MB/s; an asset's own files are {size:.3g} MB")
    return lines


def table(estimates: Sequence[Estimate], num_shards: int) -> list[str]:
    """One line a target, and their sum."""
    names = ("target", "assets", "CPU-s/asset", "CPU-hours", "hours", "GB", "shards", "MB/shard", "cost")
    rows = [names, *(_cells(row, num_shards) for row in [*estimates, total(estimates)])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))])
        for first, *rest in rows
    ]


def _cells(row: Estimate, num_shards: int) -> tuple[Any, ...]:
    is_sum = row.target == "all"
    return (
        row.target,
        f"{row.num_assets:,}",
        f"{row.cpu_seconds_per_asset:.3g}",
        f"{row.cpu_hours:,.1f}",
        f"{row.hours:,.2f}",
        f"{row.gigabytes:,.1f}",
        "" if is_sum else f"{num_shards:,}",
        "" if is_sum else f"{row.gigabytes * GIGABYTE / num_shards / MEGABYTE:.3g}",
        f"{row.cost:,.2f}",
    )
