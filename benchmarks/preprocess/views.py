"""The OpenGL renderer against the Embree one: images a CPU-second on real meshes, at 256 px.

OMP_NUM_THREADS=1 python -m benchmarks.preprocess.views [FOLDER] → benchmarks/results/views.json

An image is what a shard holds: rendered, read back and developed to colours, depth and normals; the mesh's normals and
Embree's tree or OpenGL's buffers are made once for its twelve views, as in the stage. CPU-seconds are the process's,
all threads; llvmpipe has none of its own (LP_NUM_THREADS=0, which the renderer sets). The two take turns on each mesh,
so that what else the machine does weighs on both. Opening the context, once a process, is measured apart.
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
from ltm3d.geometry.loading import load_mesh
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.normalize import normalize
from ltm3d.rendering import embree, opengl
from ltm3d.rendering.cameras import ViewConfig, view_cameras

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "views.json"
NUM_MESHES = 15
NUM_VIEWS = 12
RESOLUTION = 256
REPEATS = 3


def main(folder: Path) -> None:
    """Measure a few meshes of each source with both renderers and both numbers of samples."""
    meshes = load_some(folder)
    opening, _ = cpu_seconds(opengl.try_out)
    rows = [measure(name, mesh, supersample) for supersample in (1, 2) for name, mesh in meshes]
    result = {
        "machine": describe("numpy", "open3d", "moderngl", "glcontext"),
        "driver": opengl.driver(),
        "llvmpipe_threads": os.environ["LP_NUM_THREADS"],
        "load_average": round(os.getloadavg()[0], 1),
        "resolution": RESOLUTION,
        "views_a_mesh": NUM_VIEWS,
        "opening_cpu_s": round(opening, 2),
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
    """Return images a CPU-second of both renderers on one mesh, the median of a few turns."""
    config = ViewConfig(num_views=NUM_VIEWS, resolution=RESOLUTION, supersample=supersample, elevation_range=(-10, 45))
    cameras = view_cameras(config, name, mesh)
    opengl.render(mesh, cameras[:1], config=config)  # buffers of this size
    rates: dict[str, list[float]] = {"embree": [], "opengl": []}
    for _ in range(REPEATS):
        for renderer, module in (("embree", embree), ("opengl", opengl)):
            seconds, _ = cpu_seconds(lambda module=module: module.render(mesh, cameras, config=config))
            rates[renderer].append(NUM_VIEWS / seconds)
    row: dict[str, Any] = {"mesh": name, "faces": len(mesh.faces), "supersample": supersample}
    row |= {renderer: round(statistics.median(values), 1) for renderer, values in rates.items()}
    row["opengl_over_embree"] = round(row["opengl"] / row["embree"], 2)
    sys.stderr.write(json.dumps(row) + "\n")
    return row


def summary(rows: list[dict[str, Any]], supersample: int) -> dict[str, float]:
    """Return the rates over all meshes, each counted alike (images over CPU-seconds), and the spread of the ratio."""
    picked = [row for row in rows if row["supersample"] == supersample]
    ratios = sorted(row["opengl_over_embree"] for row in picked)
    return {
        "embree": round(statistics.harmonic_mean([row["embree"] for row in picked]), 1),
        "opengl": round(statistics.harmonic_mean([row["opengl"] for row in picked]), 1),
        "opengl_median_mesh": round(statistics.median(row["opengl"] for row in picked), 1),
        "opengl_over_embree_median": statistics.median(ratios),
        "opengl_over_embree_worst": ratios[0],
        "opengl_over_embree_best": ratios[-1],
        "median_faces": float(np.median([row["faces"] for row in picked])),
    }


def cpu_seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the CPU-seconds of a call, all threads, and what it returned."""
    start = time.process_time()
    answer = call()
    return time.process_time() - start, answer


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "../shared/data")
