"""Colours at points on textured meshes, against the texture's own colour there.

OMP_NUM_THREADS=1 python -m benchmarks.preprocess.texture_colors [FOLDER] → benchmarks/results/texture_colors.json

Points are uniform by area on the faces that have a texture. `vertices` keeps colours at vertices alone, as all meshes
did before; `texels` has colours within faces. The error of a point is the largest of its three channels', of 255. Views
are 4 of 128², as the pipeline takes them; CPU-seconds are the process's.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe
from ltm3d.errors import AssetError
from ltm3d.geometry.base_color import colors_within
from ltm3d.geometry.cleaning import clean_mesh
from ltm3d.geometry.masked_faces import FINEST, cut_hidden
from ltm3d.geometry.mesh import Mesh, face_areas
from ltm3d.geometry.normalize import normalize
from ltm3d.geometry.parts import Part, drop_degenerate
from ltm3d.geometry.surface_points import surface_colors
from ltm3d.mesh_io.gltf import read_gltf
from ltm3d.mesh_io.loading import LoadLimits, load_asset
from ltm3d.mesh_io.obj import read_obj
from ltm3d.mesh_io.references import BoundedResolver
from ltm3d.rendering.cameras import ViewConfig, view_cameras
from ltm3d.rendering.embree import render

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "texture_colors.json"
NUM_POINTS = 4096
FAR_OFF = 48


def main(folder: Path) -> None:
    """Measure every mesh of a folder that has a texture."""
    rows = []
    for path in sorted((*folder.glob("objaverse/**/*.glb"), *folder.glob("shapenet/**/model_normalized.obj"))):
        try:
            parts = read_parts(path, path.parents[1])
            if any(is_textured(part) for part in parts):
                rows.append({"mesh": path.parent.parent.name + "/" + path.name, **measure(path, parts)})
        except AssetError as error:
            sys.stderr.write(f"{path}: {error}\n")
    result = {
        "machine": describe("numpy", "open3d"),
        "load_average": round(os.getloadavg()[0], 1),
        "textured": len(rows),
        **{kind: summary([row[kind] for row in rows]) for kind in ("vertices", "texels")},
        "mean_kib_of_texels": round(float(np.mean([row["num_texels"] for row in rows])) * 3 / 1024, 1),
        "load_cpu_s": round(sum(row["load_cpu_s"] for row in rows), 2),
        "views_cpu_s": {k: round(sum(row["views_cpu_s"][k] for row in rows), 2) for k in ("vertices", "texels")},
        "meshes": rows,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write(json.dumps({k: v for k, v in result.items() if k != "meshes"}, indent=1) + "\n")


def read_parts(path: Path, root: Path) -> list[Part]:
    """Return the parts whose faces `load_asset` keeps, in its order."""
    limits = LoadLimits()
    files = BoundedResolver(path.parent, root=root, max_bytes=limits.max_bytes, max_pixels=limits.max_pixels)
    is_gltf = path.suffix == ".glb"
    parts = read_gltf(path, files, max_faces=limits.max_faces) if is_gltf else read_obj(path.read_bytes(), files)
    parts = [part for part in map(drop_degenerate, parts) if len(part.faces)]
    vertices = np.concatenate([part.vertices for part in parts])
    smallest = FINEST * float(np.ptp(vertices, axis=0).max())
    return [part for part in (cut_hidden(part, smallest=smallest) for part in parts) if len(part.faces)]


def is_textured(part: Part) -> bool:
    """Say whether a part's colour varies within its faces."""
    material = part.material
    return (material.texture is not None and part.uv is not None) or (
        material.glow_texture is not None and part.glow_uv is not None
    )


def measure(path: Path, parts: list[Part]) -> dict[str, Any]:
    """Return the errors of one mesh, and what it costs to load and to draw."""
    start = time.process_time()
    mesh = load_asset(path, root=path.parents[1]).mesh
    loaded = time.process_time() - start
    owner = np.repeat(np.arange(len(parts)), [len(part.faces) for part in parts])
    first = np.cumsum([0, *(len(part.faces) for part in parts)])
    if len(owner) != len(mesh.faces):
        raise ValueError(f"{path}: {len(owner)} faces in parts, {len(mesh.faces)} in the mesh")
    rng = np.random.default_rng(0)
    areas = face_areas(mesh) * np.array([is_textured(part) for part in parts])[owner]
    faces = np.sort(rng.choice(len(areas), NUM_POINTS, p=areas / areas.sum()))
    root, v = np.sqrt(rng.random(NUM_POINTS)), rng.random(NUM_POINTS)
    weights = np.stack([1 - root, root * (1 - v), root * v], axis=1).astype(np.float32)
    truth = np.zeros((NUM_POINTS, 3), np.uint8)
    for index in np.unique(owner[faces]).tolist():
        own = owner[faces] == index
        truth[own] = colors_within(parts[index], faces[own] - first[index], weights[own])
    both = {"vertices": replace(mesh, face_colors=None), "texels": mesh}
    inner = mesh.face_colors
    return {
        "faces": len(mesh.faces),
        "num_texels": 0 if inner is None else len(inner.texels),
        "load_cpu_s": round(loaded, 4),
        "views_cpu_s": {name: draw(shape) for name, shape in both.items()},
        **{name: errors(surface_colors(shape, faces, weights), truth) for name, shape in both.items()},
    }


def errors(colors: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return the mean error, and the share of points that are far off."""
    off = np.abs(colors.astype(int) - truth).max(axis=1)
    return {"mean": round(float(off.mean()), 3), "far_off": round(float((off > FAR_OFF).mean()), 4)}


def draw(mesh: Mesh) -> float:
    """Return the CPU-seconds of four views, the least of three turns."""
    ready = normalize(clean_mesh(mesh))[0]
    config = ViewConfig(num_views=4, resolution=128)
    cameras = view_cameras(config, "bench", ready)
    return round(min(cpu_seconds(lambda: render(ready, cameras, config=config)) for _ in range(3)), 5)


def cpu_seconds(call: Callable[[], Any]) -> float:
    """Return the CPU-seconds of a call, all threads."""
    start = time.process_time()
    call()
    return time.process_time() - start


def summary(rows: list[dict[str, float]]) -> dict[str, float]:
    """Return the mean over meshes, the worst of them, and how many have more than a tenth of their points far off."""
    mean = [row["mean"] for row in rows]
    return {
        "mean": round(float(np.mean(mean)), 3),
        "p95": round(float(np.percentile(mean, 95)), 3),
        "worst": max(mean),
        "meshes_far_off": sum(row["far_off"] > 0.1 for row in rows),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "../shared/data")
