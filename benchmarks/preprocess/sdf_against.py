"""CPU-seconds of the SDF target of real meshes in this checkout against another, by turns in one run.

OMP_NUM_THREADS=1 python -m benchmarks.preprocess.sdf_against CHECKOUT [FOLDER] → benchmarks/results/sdf_against.json

CHECKOUT is a worktree of an earlier commit that has `benchmarks.preprocess.sdf`. Each measurement has a process of its
own, two of each checkout; the lesser counts.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.machine import describe
from benchmarks.preprocess.sdf import ROOT, pick_meshes

RESULT = ROOT / "benchmarks" / "results" / "sdf_against.json"
ONE = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from benchmarks.preprocess.sdf import measure_chain
print("CPU", measure_chain(Path(sys.argv[2]))[0])
"""


def main(other: Path, folder: Path) -> None:
    """Measure twenty meshes in both checkouts."""
    rows = []
    for path in pick_meshes(folder):
        turns = [(cpu_seconds(other, path), cpu_seconds(ROOT, path)) for _ in range(2)]
        before, now = np.min(turns, axis=0).tolist()
        rows.append({"mesh": path.parent.parent.name + "/" + path.name, "before": before, "now": now})
        sys.stderr.write(json.dumps(rows[-1]) + "\n")
    ratios = [row["now"] / row["before"] for row in rows]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=other, capture_output=True, text=True, check=True)
    result = {
        "machine": describe("numpy", "open3d"),
        "load_average": round(os.getloadavg()[0], 1),
        "against": commit.stdout.strip(),
        "ratio_of_sums": round(sum(row["now"] for row in rows) / sum(row["before"] for row in rows), 3),
        "ratio_median": round(float(np.median(ratios)), 3),
        "ratio_worst": round(max(ratios), 3),
        "meshes": rows,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write(json.dumps({k: v for k, v in result.items() if k != "meshes"}, indent=1) + "\n")


def cpu_seconds(checkout: Path, mesh: Path) -> float:
    """Return what the whole chain takes on one mesh in a checkout."""
    command = [sys.executable, "-c", ONE, str(checkout), str(mesh)]
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}  # the checkout comes first on the path, not this folder
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout.split("CPU")[1])


if __name__ == "__main__":
    main(
        Path(sys.argv[1]).resolve(),
        Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT.parent / "shared" / "data",
    )
