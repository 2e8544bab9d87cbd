"""The ablation table: the same test prompts, samples seen and steps; one thing changed in each row, several seeds.

A metric is the mean over test assets of the mean over seeds, with the 95 % bootstrap interval over assets, and the
spread of the seeds. Beside it stands the difference to the full method on the same assets, its interval over both; one
training says nothing of the spread, so its difference has none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ltm3d.metrics.bootstrap import bootstrap_change, bootstrap_interval

FULL = "full"
METHOD = "generated"  # of a run; its other methods are the same in all runs, and are taken from the full one
METRIC = "chamfer_l1"

ByAsset = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class AblationRun:
    """What one training and its samples gave.

    Attributes:
        by_asset: "method/prompt" → metric → uid → value.
        cost: what it took, e.g. `train_seconds`, `parameters`.
    """

    variant: str
    seed: int
    by_asset: Mapping[str, Mapping[str, ByAsset]]
    cost: Mapping[str, float]


def ablation_rows(runs: Sequence[AblationRun], *, prompts: Sequence[str], seed: int = 0) -> list[dict[str, Any]]:
    """Give a row for each variant and each baseline with each kind of prompt that was measured."""
    variants = list(dict.fromkeys(run.variant for run in runs))
    rows = []
    for prompt in prompts:
        full = _by_seed(runs, FULL, f"{METHOD}/{prompt}")
        for variant in variants:
            by_seed = _by_seed(runs, variant, f"{METHOD}/{prompt}")
            if by_seed:
                rows.append(_row(variant, prompt, by_seed, full, seed))
        rows += [
            _row(method, prompt, _by_seed(runs, FULL, f"{method}/{prompt}")[:1], full, seed, is_fixed=True)
            for method in ("retrieval", "ltr")
            if _by_seed(runs, FULL, f"{method}/{prompt}")
        ]
    for method in ("category_mean", "round_trip"):
        by_seed = _by_seed(runs, FULL, f"{method}/none")
        if by_seed:
            rows.append(_row(method, "none", by_seed[:1], [], seed))
    return rows


def _by_seed(runs: Sequence[AblationRun], variant: str, key: str) -> list[ByAsset]:
    return [run.by_asset[key][METRIC] for run in runs if run.variant == variant and key in run.by_asset]


def _row(
    name: str,
    prompt: str,
    by_seed: Sequence[ByAsset],
    full: Sequence[ByAsset],
    seed: int,
    *,
    is_fixed: bool = False,  # the same in all runs, so that one of them is all there is to know
) -> dict[str, Any]:
    uids = sorted(by_seed[0])
    values = np.array([[one[uid] for uid in uids] for one in by_seed])  # [seeds, assets]
    interval = bootstrap_interval(values.mean(axis=0), seed=seed)
    row: dict[str, Any] = {
        "name": name,
        "prompt": prompt,
        "num_seeds": len(values),
        "num_assets": len(uids),
        "mean": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "seed_std": float(values.mean(axis=1).std(ddof=1)) if len(values) > 1 else None,
    }
    if full and name != FULL and set(full[0]) == set(uids):
        change = bootstrap_change(values, np.array([[one[uid] for uid in uids] for one in full]), seed=seed)
        row["change"] = change.mean
        if is_fixed or len(values) > 1:
            row |= {"change_low": change.low, "change_high": change.high}
    return row


def to_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Lay the rows out, a line a name and the kinds of prompt as columns: mean ± deviation of the seeds [interval].

    A better metric is a smaller one.
    """
    prompts = list(dict.fromkeys(row["prompt"] for row in rows if row["prompt"] != "none"))
    names = list(dict.fromkeys(row["name"] for row in rows))
    cells = {(row["name"], row["prompt"]): row for row in rows}
    lines = [
        "| | trainings | " + " | ".join(f"{prompt}: CD-L1 | against full" for prompt in prompts) + " |",
        "|---|---|" + "---|---|" * len(prompts),
    ]
    for name in names:
        first = next(row for row in rows if row["name"] == name)
        parts = []
        for prompt in prompts:
            row = cells.get((name, prompt), cells.get((name, "none")))
            parts += ["–", "–"] if row is None else [_interval(row), _change(row)]
        lines.append(f"| {name.replace('_', ' ')} | {first['num_seeds']} | " + " | ".join(parts) + " |")
    return "\n".join(lines)


def _interval(row: Mapping[str, Any]) -> str:
    spread = f" ± {row['seed_std']:.4f}" if row["seed_std"] is not None else ""
    return f"{row['mean']:.4f}{spread} [{row['low']:.4f}, {row['high']:.4f}]"


def _change(row: Mapping[str, Any]) -> str:
    if "change" not in row:
        return "–"
    if "change_low" not in row:
        return f"{row['change']:+.4f}, one training"
    return f"{row['change']:+.4f} [{row['change_low']:+.4f}, {row['change_high']:+.4f}]"
