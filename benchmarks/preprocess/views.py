"""Pictures of real meshes: images a CPU-second, at 256 px.

OMP_NUM_THREADS=1 python -m benchmarks.preprocess.views [FOLDER] → benchmarks/results/views.json

An image is what a shard holds: rendered and developed to colours, depth and normals; the mesh's normals and Embree's
tree are made once for its twelve views, as in the stage. CPU-seconds are the process's, all threads.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe
from ltm3d.errors import AssetError
from ltm3d.geometry.cleaning import clean_mesh
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.normalize import normalize
from ltm3d.mesh_io.loading import load_mesh
from ltm3d.rendering.cameras import ViewConfig, view_cameras
from ltm3d.rendering.embree import render

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "views.json"
NUM_MESHES = 15
NUM_VIEWS = 12
RESOLUTION = 256
REPEATS = 3


def main(folder: Path) -> None:
    """Measure a few meshes of each source with both numbers of samples."""
    meshes = load_some(folder)
    rows = [measure(name, mesh, supersample) for supersample in (1, 2) for name, mesh in meshes]
    result = {
        "machine": describe("numpy", "open3d"),
        "load_average": round(os.getloadavg()[0], 1),
        "resolution": RESOLUTION,
        "views_a_mesh": NUM_VIEWS,
        "images_per_cpu_s": {f"supersample_{s}": summary(rows, s) for s in (1, 2)},
        "meshes": rows,
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write(json.dumps(result["images_per_cpu_s"], indent=1) + "\n")


def load_some(folder: Path) -> list[tuple[str, Mesh]]:
    """Return cleaned, normalised meshes, taken evenly from the list of all files."""
    found = []
    paths = sorted((*folder.glob("objaverse/**/*.glb"), *folder.glob("shapenet/**/model_normalized.obj")))
    for path in paths[:: max(1, len(paths) // NUM_MESHES)]:
        try:
            mesh = clean_mesh(load_mesh(path, root=path.parents[1]))
        except AssetError as error:
            sys.stderr.write(f"{path}: {error}\n")
            continue
        found.append((path.parent.parent.name + "/" + path.name, normalize(mesh)[0]))
    return found


def measure(name: str, mesh: Mesh, supersample: int) -> dict[str, Any]:
    """Return images a CPU-second on one mesh, the median of a few turns."""
    config = ViewConfig(num_views=NUM_VIEWS, resolution=RESOLUTION, supersample=supersample, elevation_range=(-10, 45))
    cameras = view_cameras(config, name, mesh)
    rates = [NUM_VIEWS / cpu_seconds(lambda: render(mesh, cameras, config=config)) for _ in range(REPEATS)]
    row = {
        "mesh": name,
        "faces": len(mesh.faces),
        "supersample": supersample,
        "rate": round(statistics.median(rates), 1),
    }
    sys.stderr.write(json.dumps(row) + "\n")
    return row


def summary(rows: list[dict[str, Any]], supersample: int) -> dict[str, float]:
    """Return the rate over all meshes, each counted alike (images over CPU-seconds), and the slowest and fastest."""
    picked = [row for row in rows if row["supersample"] == supersample]
    rates = sorted(row["rate"] for row in picked)
    return {
        "all": round(statistics.harmonic_mean(rates), 1),
        "slowest": rates[0],
        "fastest": rates[-1],
        "median_faces": float(np.median([row["faces"] for row in picked])),
    }


def cpu_seconds(call: Callable[[], Any]) -> float:
    """Return the CPU-seconds of a call, all threads."""
    start = time.process_time()
    call()
    return time.process_time() - start


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "../shared/data")
