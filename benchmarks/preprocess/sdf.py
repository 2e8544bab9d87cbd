"""The SDF target of one asset against bare closest-point queries and other libraries, on the same real meshes.

python -m benchmarks.preprocess.sdf [FOLDER] → benchmarks/results/sdf_target.json

Each mesh has a process of its own. CPU-seconds are the process's, all threads; memory is the peak above the imports.
"""

import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "sdf_target.json"
NUM_QUERIES = 500_000
NUM_MESHES = 20
FACES = (5_000, 200_000)
FINE_FACES, FINE_RESOLUTION = 24_000, 256  # one mesh, its flood filled in so many voxels along the longest side
SLOW_QUERIES, SLOW_PARTS = 5_000, 10  # of the libraries that would take minutes; their time is scaled up


def main(folder: Path) -> None:
    """Measure twenty meshes with face counts spread evenly over the logarithm."""
    context = multiprocessing.get_context("spawn")
    rows = []
    paths = pick_meshes(folder)
    for path in paths:
        with context.Pool(1, maxtasksperchild=1) as pool:
            rows.append(pool.apply(measure, (path,)))
        sys.stderr.write(json.dumps(rows[-1]) + "\n")
    faces = [row["faces"] for row in rows]
    with context.Pool(1, maxtasksperchild=1) as pool:
        fine = pool.apply(measure_fine, (paths[int(np.abs(np.subtract(faces, FINE_FACES)).argmin())],))
    sys.stderr.write(json.dumps(fine) + "\n")
    ratios = {
        name: sorted(row[name] for row in rows)
        for name in ("chain_over_closest_points", "trimesh_over_chain", "libigl_over_chain")
    }
    result = {
        "machine": describe("numpy", "scipy", "open3d", "trimesh", "libigl"),
        "num_queries": NUM_QUERIES,
        "median": {name: float(np.median(values)) for name, values in ratios.items()},
        "worst": {
            "chain_over_closest_points": ratios["chain_over_closest_points"][-1],
            "trimesh_over_chain": ratios["trimesh_over_chain"][0],
            "libigl_over_chain": ratios["libigl_over_chain"][0],
        },
        "largest_memory_mib": max(row["memory_mib"] for row in rows),
        "fine_flood": fine,
        "meshes": rows,
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write(
        json.dumps({key: result[key] for key in ("median", "worst", "largest_memory_mib", "fine_flood")}, indent=1)
        + "\n"
    )


def pick_meshes(folder: Path) -> list[Path]:
    """Choose files whose sizes stand for faces between the limits; the face count itself is checked when loaded."""
    from ltm3d.errors import AssetError
    from ltm3d.mesh_io.loading import load_mesh

    counted = []
    for path in sorted((*folder.glob("objaverse/**/*.glb"), *folder.glob("shapenet/**/model_normalized.obj"))):
        if not 100_000 < path.stat().st_size < 40_000_000:
            continue
        try:
            faces = len(load_mesh(path, root=path.parents[1]).faces)
        except AssetError:
            continue
        if FACES[0] <= faces <= FACES[1]:
            counted.append((faces, path))
        if len(counted) >= 6 * NUM_MESHES:
            break
    counted.sort()
    chosen = []
    for wanted in np.linspace(np.log(counted[0][0]), np.log(counted[-1][0]), NUM_MESHES):
        chosen.append(counted.pop(int(np.abs(np.log([count for count, _ in counted]) - wanted).argmin())))
    return [path for _, path in sorted(chosen)]


def measure(path: Path) -> dict[str, Any]:
    """Measure one mesh: the whole chain first, then the others on its cleaned mesh and its queries."""
    import igl
    import open3d
    import trimesh

    chain_s, memory, (mesh, target, facts) = measure_chain(path)
    queries = np.concatenate([target["volume"], target["near"]])[:, :3].astype(np.float32)
    queries = np.ascontiguousarray(queries[np.random.default_rng(0).permutation(len(queries))])
    scene = open3d.t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(
        open3d.core.Tensor.from_numpy(mesh.vertices), open3d.core.Tensor.from_numpy(mesh.faces.astype(np.uint32))
    )
    bare_s, _ = cpu_seconds(lambda: scene.compute_distance(open3d.core.Tensor.from_numpy(queries), nthreads=1))
    few = queries[:SLOW_QUERIES]
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    parts = np.array_split(few, SLOW_PARTS)  # all at once take 20 GiB where the mesh is large
    trimesh_s, _ = cpu_seconds(lambda: [trimesh.proximity.signed_distance(solid, part) for part in parts])
    libigl_s, _ = cpu_seconds(
        lambda: igl.signed_distance(
            queries.astype(np.float64),
            mesh.vertices.astype(np.float64),
            mesh.faces,
            igl.SIGNED_DISTANCE_TYPE_FAST_WINDING_NUMBER,
        )
    )
    return {
        "mesh": path.parent.parent.name + "/" + path.name,
        "faces": len(mesh.faces),
        "chain_cpu_s": round(chain_s, 3),
        "closest_points_cpu_s": round(bare_s, 3),
        "libigl_cpu_s": round(libigl_s, 3),
        "trimesh_cpu_s_scaled": round(trimesh_s * NUM_QUERIES / SLOW_QUERIES, 1),
        "memory_mib": round(memory, 1),
        "sign_disagreement": round(facts["sign_disagreement"], 4),
        "chain_over_closest_points": chain_s / bare_s,
        "trimesh_over_chain": trimesh_s * NUM_QUERIES / SLOW_QUERIES / chain_s,
        "libigl_over_chain": libigl_s / chain_s,
    }


def measure_fine(path: Path) -> dict[str, Any]:
    """Measure the chain alone, with finer voxels."""
    chain_s, memory, (mesh, _, facts) = measure_chain(path, flood_resolution=FINE_RESOLUTION)
    return {
        "mesh": path.parent.parent.name + "/" + path.name,
        "faces": len(mesh.faces),
        "flood_resolution": FINE_RESOLUTION,
        "chain_cpu_s": round(chain_s, 3),
        "memory_mib": round(memory, 1),
        "sign_disagreement": round(facts["sign_disagreement"], 4),
    }


def measure_chain(path: Path, **settings: int) -> tuple[float, float, Any]:
    """Load, clean, build and save the target of one mesh: CPU-seconds, MiB above the imports, what came out."""
    import igl  # noqa: F401  the imports are not part of the chain
    import open3d  # noqa: F401
    import PIL.Image
    import trimesh  # noqa: F401

    from ltm3d.geometry.mesh import Mesh
    from ltm3d.geometry.signed_distance import SignedDistance
    from ltm3d.mesh_io.loading import LoadLimits
    from ltm3d.representations.sdf import SdfTargetConfig, build_sdf_target
    from ltm3d.transforms.clean_meshes import clean_file

    tetrahedron = Mesh(vertices=np.eye(4, 3), faces=np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]]))
    PIL.Image.init()  # imports its readers
    SignedDistance(tetrahedron)(np.zeros((1, 3)))  # reads the compiled code, which belongs to the imports
    config = SdfTargetConfig(
        num_surface=65_536, num_sharp=65_536, num_volume=NUM_QUERIES // 2, num_near=NUM_QUERIES // 2
    )

    def chain() -> Any:
        mesh, _ = clean_file(path, path.parents[1], "+y", "+z", LoadLimits())
        distance = SignedDistance(mesh, **settings)
        target, facts = build_sdf_target(mesh, config=config, rng=np.random.default_rng(0), distance=distance)
        with tempfile.TemporaryDirectory() as folder:
            for name, values in target.items():
                np.save(Path(folder) / f"{name}.npy", values)
        return mesh, target, facts

    before = peak_mib()
    seconds, results = cpu_seconds(chain)
    return seconds, peak_mib() - before, results


def cpu_seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the CPU-seconds of a call, all threads, and what it returned."""
    start = time.process_time()
    answer = call()
    return time.process_time() - start, answer


def peak_mib() -> float:
    """Return the process's peak resident memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "../shared/data")
