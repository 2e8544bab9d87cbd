"""CPU-seconds of `dvc status` and of a `dvc repro` with nothing to do: a checkout of today beside one of before.

Usage:
    python -m benchmarks.freshness.idle BEFORE AFTER

Both are checkouts whose outputs are there and in `dvc.lock` (`dvc commit --force` writes it). Calls take turns.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.machine import describe

RESULT = Path(__file__).parents[1] / "results" / "idle_repro.json"
TURNS = 5


def main(before: Path, after: Path) -> None:
    """Measure, and write the file."""
    places = {"before": before, "after": after}
    rows: dict[str, dict[str, float]] = {}
    for command in ("status", "repro"):
        seconds: dict[str, list[float]] = {name: [] for name in places}
        for _ in range(TURNS):
            for name, folder in places.items():
                seconds[name].append(measure(folder, command))
        medians = {f"{name}_cpu_s": round(statistics.median(taken), 2) for name, taken in seconds.items()}
        rows[command] = {**medians, "ratio": round(medians["before_cpu_s"] / medians["after_cpu_s"], 2)}
    for name in ("dvc.yaml", "dvc.lock"):
        rows[name] = {
            f"{place}_{unit}": float(count)
            for place, folder in places.items()
            for unit, count in (("bytes", (folder / name).stat().st_size), ("lines", count_lines(folder / name)))
        }
    RESULT.write_text(json.dumps({"machine": describe(), "rows": rows}, indent=1) + "\n")


def measure(folder: Path, command: str) -> float:
    """Run DVC in a checkout, which must find nothing to do; give the CPU-seconds of it and what it started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    quiet = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(["dvc", command], cwd=folder, capture_output=True, text=True, check=True, env=quiet)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = [line for line in done.stdout.splitlines() if line.startswith("Running") and "digest_inputs" not in line]
    assert not started, started
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def count_lines(path: Path) -> int:
    """Count the lines of a file."""
    return len(path.read_text().splitlines())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
