"""One worker against two on the same real meshes, through the stage, in turn.

python -m benchmarks.preprocess.scaling → benchmarks/results/scaling.json

Throughput is assets over the wall clock of the map itself, without Ray's start. What a busy machine does to the clock
it does to both; beside it stand the CPU-seconds an asset: what two workers spend more than one is lost to each other.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.machine import describe
from ltm3d.shards.rates import read_rates

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "scaling.json"
SHARED = ROOT.parent / "shared" / "data"
ROUNDS = 2
PARAMS: dict[str, Any] = {
    "recipe": "bench",
    "overrides": [],
    "seed": 0,
    "targets": ["sdf"],
    "representations": ["sdf"],
    "sources": [{"kind": "objaverse", "root": str(SHARED / "objaverse"), "limit": 240}],
    "download": {"num_shards": 24},
    "clean_meshes": {},
    "render_views": {"views": {"num_views": 8, "resolution": 256}},
    "build_targets": {"sdf": {"target": {"num_volume": 25_000, "num_near": 25_000}}},
}


def main() -> None:
    """Run both stages alternately with one and with two workers."""
    with tempfile.TemporaryDirectory(prefix="ltm3d-scaling-") as name:
        folder = Path(name)
        write_params(folder, 2)
        run(folder, "download")
        run(folder, "clean_meshes")
        rows = [
            {"stage": stage, "workers": workers, "round": number, **measure(folder, stage, workers)}
            for number in range(ROUNDS)
            for stage in ("render_views", "build_targets@sdf")
            for workers in (1, 2)
        ]
    result = {"machine": describe("ray", "open3d"), "stages": summarise(rows), "rows": rows}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write(json.dumps(result["stages"], indent=1) + "\n")


def measure(folder: Path, stage: str, workers: int) -> dict[str, float]:
    """Make a stage's shards anew and return its metrics."""
    name, _, item = stage.partition("@")
    output = folder / "data" / ("views" if name == "render_views" else f"targets/{item}")
    shutil.rmtree(output, ignore_errors=True)
    (folder / "data" / "runs" / stage / "rates.jsonl").unlink(missing_ok=True)
    write_params(folder, workers)
    log = run(folder, name, *([item] if item else []))
    found = re.search(r"(\d+) assets in ([\d.]+) s", log)
    assert found, log
    rates = read_rates(folder / "data")[stage]
    return {
        "assets_per_s": int(found[1]) / float(found[2]),
        "cpu_s_per_asset": rates.cpu_seconds_per_asset,
    }


def summarise(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the medians over rounds, and the ratios of two workers to one."""
    summary = {}
    for stage in dict.fromkeys(row["stage"] for row in rows):
        one, two = (
            {
                key: float(np.median([r[key] for r in rows if r["stage"] == stage and r["workers"] == workers]))
                for key in ("assets_per_s", "cpu_s_per_asset")
            }
            for workers in (1, 2)
        )
        summary[stage] = {
            "throughput_ratio": two["assets_per_s"] / one["assets_per_s"],
            "scaling_by_cpu_seconds": 2 * one["cpu_s_per_asset"] / two["cpu_s_per_asset"],
            "cpu_s_per_asset_one_worker": one["cpu_s_per_asset"],
            "cpu_s_per_asset_two_workers": two["cpu_s_per_asset"],
        }
    return summary


def write_params(folder: Path, workers: int) -> None:
    """Write the stages' settings."""
    places = {"num_workers": workers, "use_gpu": False, "tracking_uri": f"sqlite:///{folder}/mlflow.db"}
    (folder / "params.yaml").write_text(yaml.safe_dump({**PARAMS, "resources": places}))


def run(folder: Path, stage: str, *items: str) -> str:
    """Run a stage as dvc would; return its log."""
    done = subprocess.run(
        [sys.executable, "-m", f"pipelines.{stage}", *items],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stderr


if __name__ == "__main__":
    main()
