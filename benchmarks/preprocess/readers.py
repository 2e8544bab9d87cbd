"""Do libraries read the small cases of the field right? Geometry alone: sides, area, volume.

python -m benchmarks.preprocess.readers [FOLDER] → benchmarks/results/readers.json
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe
from ltm3d.errors import AssetError
from ltm3d.mesh_io.loading import load_asset

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "readers.json"
CUBE = {"sides": (1, 1, 1), "area": 6, "volume": 1}
SMALL_CUBE = {"sides": (0.2, 0.2, 0.2), "area": 0.24, "volume": 0.008}
PRISM = {"sides": (2, 2, 1), "area": 14, "volume": 3}
CASES: dict[str, dict[str, Any]] = {
    "m01_obj_concave_ngon/l_prism.obj": PRISM,
    "m02_ply_concave_ngon/l_prism.ply": PRISM,
    "m03d_coff/cube.off": CUBE,
    "m04_glb_gpu_instancing/three_cubes.glb": {"sides": (7, 1, 1), "area": 18, "volume": 3},
    "m05_glb_morph_mesh_weights/tall.glb": {"sides": (1, 3, 1), "area": 14, "volume": 3},
    "m06c_obj_utm_small/cube.obj": SMALL_CUBE,
    "n08_glb_far_small/cube.glb": SMALL_CUBE,
    "m13_glb_triangle_fan/cube.glb": {"sides": (1, 1, 2), "area": 7},
    "m16d_stl_binary_trailing/cube.stl": CUBE,
    "m25c_obj_bom/cube.obj": CUBE,
    "m25f_obj_tabs_comments/cube.obj": CUBE,
    "m25g_obj_interleaved_parts/cube.obj": {"sides": (5, 1, 1), "area": 18, "volume": 3},
    "m32_glb_hidden_node/cube.glb": CUBE,
    "n03_obj_tabs/cube.obj": CUBE,
    "n04_obj_trailing_comments/cube.obj": CUBE,
    "n11_ply_quads_mixed_binary/cube.ply": CUBE,
}
Triangles = np.ndarray  # float64 [F, 3, 3]


def main(folder: Path) -> None:
    """Ask each reader for each case."""
    readers: dict[str, Callable[[Path], Triangles]] = {"ltm3d": ours, "trimesh": by_trimesh, "open3d": by_open3d}
    wrong = {
        name: {case: fault for case, right in CASES.items() if (fault := judge(read, folder / case, right))}
        for name, read in readers.items()
    }
    result = {"machine": describe("trimesh", "open3d"), "num_cases": len(CASES), "wrong": wrong}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write(json.dumps(wrong, indent=1) + "\n")


def judge(read: Callable[[Path], Triangles], path: Path, right: dict[str, Any]) -> str:
    """Return what is wrong, or nothing."""
    try:
        triangles = read(path)
    except Exception as error:  # readers raise whatever they stumble over
        return f"{type(error).__name__}: {str(error)[:80]}"
    if not len(triangles):
        return "no triangles"
    corners = triangles.reshape(-1, 3)
    a, b, c = (triangles - corners.mean(axis=0)).transpose(1, 0, 2)
    seen = {
        "sides": np.ptp(corners, axis=0),
        "area": np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2,
        "volume": np.einsum("fx,fx->f", a, np.cross(b, c)).sum() / 6,
    }
    off = [key for key, value in right.items() if not np.allclose(seen[key], value, rtol=1e-3)]
    return ", ".join(f"{key} {np.round(seen[key], 3).tolist()} for {right[key]}" for key in off)


def ours(path: Path) -> Triangles:
    """Read by this project's own readers."""
    try:
        return load_asset(path).mesh.triangles.astype(np.float64)
    except AssetError as error:
        raise ValueError(str(error)) from error


def by_trimesh(path: Path) -> Triangles:
    """Read by trimesh, all parts of a scene in place."""
    import trimesh

    return np.asarray(trimesh.load(path, force="mesh", process=False).triangles, np.float64)


def by_open3d(path: Path) -> Triangles:
    """Read by open3d's reader of models with all their parts."""
    import open3d

    open3d.utility.set_verbosity_level(open3d.utility.VerbosityLevel.Error)
    parts = open3d.io.read_triangle_model(str(path)).meshes if path.suffix == ".glb" else None
    meshes = [part.mesh for part in parts] if parts is not None else [open3d.io.read_triangle_mesh(str(path))]
    return np.concatenate([np.asarray(mesh.vertices)[np.asarray(mesh.triangles)].reshape(-1, 3, 3) for mesh in meshes])


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "../shared/cases/meshes")
