"""Hours, storage and cost of preparing many assets on a cluster: the rates that the stages measured, times assets."""

import math
from collections.abc import Mapping
from typing import Any

from ltm3d.errors import DataError
from ltm3d.shards.manifest import MAX_SHARDS
from ltm3d.shards.rates import Rates
from ltm3d.transforms.build_targets import TARGETS

ON_ALL_ASSETS = ("download", "clean_meshes")  # the others work on what clean_meshes keeps
STAGES = (*ON_ALL_ASSETS, "render_views", *(f"build_targets@{name}" for name in TARGETS))
UTILISATION = 0.8  # share of the cores' time that is spent on assets
SHARDS_PER_CORE = 4  # so that a core that ends early finds other work
MAX_SHARD_HOURS = 0.5  # of one core: what a lost node costs
MAX_SHARD_GB = 0.25


def plan_data(
    measured: Mapping[str, Rates], *, num_assets: int, num_cores: int, network_mb_per_s: float, price_per_hour: float
) -> dict[str, Any]:
    """Work out everything; the keys are those of the JSON.

    Args:
        measured: by stage, see `read_rates`.
        network_mb_per_s: at which the whole cluster downloads.
        price_per_hour: of the whole cluster.

    Raises:
        DataError: no stage that prepares the data was measured.
    """
    chosen = {name: measured[name] for name in STAGES if name in measured}
    if not chosen:
        raise DataError(
            "no rates were measured: --data has no runs/*/rates.jsonl of a data stage; run the data stages on some "
            "hundred assets of the kind that is planned (dvc repro; shards of before are not measured: remove them)"
        )
    cleaned = chosen.get("clean_meshes")
    kept = cleaned.num_kept / cleaned.num_assets if cleaned else 1.0
    rows = {}
    for name, rates in chosen.items():
        assets = num_assets * (1.0 if name in ON_ALL_ASSETS else kept)
        cpu_hours = assets * rates.cpu_seconds_per_asset / 3600
        gigabytes = assets * rates.num_bytes / rates.num_assets / 1e9
        hours = cpu_hours / (num_cores * UTILISATION)
        if name == "download":
            hours = max(hours, gigabytes * 1000 / network_mb_per_s / 3600)
        cost = hours * price_per_hour
        rows[name] = {"assets": round(assets), "cpu_hours": cpu_hours, "hours": hours, "GB": gigabytes, "cost": cost}
    largest = {column: max(row[column] for row in rows.values()) for column in ("cpu_hours", "GB")}
    wanted = max(SHARDS_PER_CORE * num_cores, largest["GB"] / MAX_SHARD_GB, largest["cpu_hours"] / MAX_SHARD_HOURS)
    sums = {column: sum(row[column] for row in rows.values()) for column in ("cpu_hours", "hours", "GB", "cost")}
    return {
        "num_shards": min(math.ceil(wanted), MAX_SHARDS, num_assets),
        "stages": {**rows, "all": {"assets": num_assets, **sums}},
        "assumptions": [
            f"rates were measured on {'; '.join(sorted({rates.machine for rates in chosen.values()}))}; a core of the "
            f"cluster is as fast, and {UTILISATION:.0%} of its time goes into assets; stages run one after the other",
            f"assets cost what the measured ones did ({', '.join(f'{k} {v.num_assets}' for k, v in chosen.items())}); "
            f"{kept:.1%} of them pass clean_meshes, and later stages work on these",
            f"the cluster downloads {network_mb_per_s:g} MB/s and costs {price_per_hour:g} an hour; storage is not in "
            "the cost, and DVC's cache, where it copies, takes the storage once more",
            f"num_shards (download.num_shards): {SHARDS_PER_CORE} a core, none above {MAX_SHARD_GB:g} GB or "
            f"{MAX_SHARD_HOURS:g} hours of one core, at most {MAX_SHARDS} and one an asset",
            f"not measured and in no sum: {', '.join(name for name in STAGES if name not in chosen) or 'none'}",
        ],
    }
