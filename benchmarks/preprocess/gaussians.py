"""Gaussians fitted on one CPU thread: quality against their own four times longer fit, and what each part costs.

OMP_NUM_THREADS=1 python -m benchmarks.preprocess.gaussians [FOLDER] → benchmarks/results/gaussians.json

For a few real meshes, with the default settings of the target: CPU-seconds of the pictures, of the start and of the
fit, PSNR on held-out views of the start, of the fit, of the target as stored (float16), and of a fit four times as
long. The rasteriser is measured on discs on a sphere, forward and backward. CPU-seconds are the process's; compiling
is done before. Where other programs share the cores, they are up to twice those of a quiet machine: trust the ratios.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe
from ltm3d.errors import AssetError
from ltm3d.geometry.cleaning import clean_mesh
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.normalize import normalize
from ltm3d.mesh_io.loading import load_mesh
from ltm3d.rendering.cameras import orbit_camera
from ltm3d.representations.gaussians import GaussiansTargetConfig, discs, sphere_cameras, take_views
from ltm3d.splatting.camera import pinhole
from ltm3d.splatting.canonical import canonicalize
from ltm3d.splatting.fitting import fit, held_out_views
from ltm3d.splatting.initialization import initialize
from ltm3d.splatting.picture_loss import measure_psnr, premultiply
from ltm3d.splatting.rasterize import rasterize, rasterize_backward
from ltm3d.splatting.record import to_parameters

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "gaussians.json"
NUM_MESHES = 7
LONGER = 4
REPEATS = 20


def main(folder: Path) -> None:
    """Measure the rasteriser, then a few meshes of each source."""
    config = GaussiansTargetConfig()
    rates = [rasterizer_rates(count) for count in (4096, 8192)]
    rows = [measure(name, mesh, config) for name, mesh in load_some(folder)]
    keys = [key for key, value in rows[0].items() if isinstance(value, float)]
    result = {
        "machine": describe("numpy", "numba", "scipy", "open3d"),
        "load_average": round(os.getloadavg()[0], 1),
        "num_gaussians": config.num_gaussians,
        "resolution": config.resolution,
        "num_views": config.num_views,
        "num_steps": config.fit.num_steps,
        "rasterizer": rates,
        "median": {key: round(statistics.median(row[key] for row in rows), 3) for key in keys},
        "worst_db_below_longer": max(row["db_below_longer"] for row in rows),
        "meshes": rows,
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write(json.dumps({key: result[key] for key in ("rasterizer", "median")}, indent=1) + "\n")


def load_some(folder: Path) -> list[tuple[str, Mesh]]:
    """Return cleaned, normalised meshes, taken evenly from the list of all files."""
    found = []
    paths = sorted((*folder.glob("objaverse/**/*.glb"), *folder.glob("shapenet/**/model_normalized.obj")))
    for path in paths[len(paths) // (2 * NUM_MESHES) :: len(paths) // NUM_MESHES]:
        try:
            mesh = clean_mesh(load_mesh(path, root=path.parents[1]))
        except AssetError as error:
            sys.stderr.write(f"{path}: {error}\n")
            continue
        found.append((path.parents[1].name + "/" + path.name, normalize(mesh)[0]))
    return found


def measure(name: str, mesh: Mesh, config: GaussiansTargetConfig) -> dict[str, Any]:
    """Fit one mesh, once as the target does and once for longer."""
    fov, num_views = config.field_of_view, config.num_views + config.fit.num_held_out
    rng = np.random.default_rng(0)
    cameras = sphere_cameras(num_views, mesh, field_of_view=fov, rng=rng)
    views_s, views = cpu_seconds(lambda: take_views(mesh, cameras, config=config))
    start_s, start = cpu_seconds(lambda: discs(mesh, views, cameras, config=config, rng=rng))
    held_out = held_out_views(num_views, config.fit.num_held_out)
    rgbas = premultiply(views.images)[held_out]

    def psnr(parameters: np.ndarray) -> float:
        return float(measure_psnr(parameters, rgbas, cameras[held_out], field_of_view=fov).mean())

    reports, stored = [], 0.0
    for factor in (1, LONGER):
        fit_config = replace(config.fit, num_steps=factor * config.fit.num_steps)
        fitted, report = fit(start, views.images, cameras, field_of_view=fov, config=fit_config, seed=0)
        reports.append(report)
        stored = stored or psnr(to_parameters(canonicalize(fitted)).astype(np.float16).astype(np.float32))
    row = {
        "views_cpu_s": views_s,
        "start_cpu_s": start_s,
        "fit_cpu_s": reports[0].cpu_seconds,
        "fit_ms_a_step": 1000 * reports[0].cpu_seconds / config.fit.num_steps,
        "fit_over_views": reports[0].cpu_seconds / views_s,
        "psnr_start": psnr(to_parameters(start)),
        "psnr_held_out": reports[0].psnr_held_out,
        "psnr_fitted": reports[0].psnr_fitted,
        "psnr_stored": stored,
        "psnr_longer": reports[1].psnr_held_out,
        "db_below_longer": reports[1].psnr_held_out - reports[0].psnr_held_out,
    }
    row = {"mesh": name, "faces": len(mesh.faces), **{key: round(value, 3) for key, value in row.items()}}
    sys.stderr.write(json.dumps(row) + "\n")
    return row


def rasterizer_rates(count: int) -> dict[str, Any]:
    """Return milliseconds for discs on a sphere at 128 px: the fastest of some runs, since others share the cores."""
    normals = np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    parameters = to_parameters(initialize(0.9 * normals, normals, np.full((count, 3), 128, np.uint8)))
    view = pinhole(orbit_camera(30.0, 20.0, 3.9), field_of_view=30.0, resolution=128)
    drawing = rasterize(parameters, view)
    gradient = np.random.default_rng(1).normal(size=drawing.blocks.shape).astype(np.float32)
    rasterize_backward(parameters, view, drawing, gradient)  # compiles
    return {
        "num_gaussians": count,
        "forward_ms": fastest_ms(lambda: rasterize(parameters, view)),
        "backward_ms": fastest_ms(lambda: rasterize_backward(parameters, view, drawing, gradient)),
    }


def fastest_ms(work: Callable[[], Any]) -> float:
    """Return the shortest of some runs."""
    spent = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        spent.append(time.perf_counter() - started)
    return round(1000 * min(spent), 2)


def cpu_seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the process's CPU-seconds for some work, and its result."""
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "data")
