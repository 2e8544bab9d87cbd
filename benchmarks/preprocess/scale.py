"""Up to a million asset rows through the planner, Ray Data, the ledger and the index; only the transforms are stubs.

    python benchmarks/preprocess/scale.py                      # 10 k, 100 k, 1 M rows → benchmarks/results/scale.json
    python benchmarks/preprocess/scale.py --assets 10000

Each number of assets runs twice, each time in a process of its own: from nothing, then with every shard committed.
CPU-seconds are those of the driver, Ray and its workers together, after Ray has started and done a few shards.
"""

import argparse
import json
import logging
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ltm3d.errors import AssetError
from ltm3d.schema import Field, ObjectRecord
from ltm3d.shards.available import available, uids_by_shard
from ltm3d.shards.ledger import Ledger
from ltm3d.shards.manifest import shard_name
from ltm3d.shards.rates import cpu_seconds, describe_machine
from ltm3d.shards.read import read_shard
from ltm3d.transforms.assets import Asset, map_assets, positions
from ltm3d.transforms.mapping import ShardJob, ShardResult, map_shards, plan_jobs
from ltm3d.transforms.splits import index_meshes

SIZES = (10_000, 100_000, 1_000_000)
ASSETS_PER_SHARD = 100
NUM_WORKERS = 2
RESULTS = Path(__file__).parents[1] / "results" / "scale.json"
SAMPLE_EVERY = 1.0  # seconds between two looks at the processes' memory
VERTICES = (Field(name="vertices", dtype="float32", shape=("N", 3), unit="stub", ragged=True),)
VALUE = (Field(name="value", dtype="float32", shape=(4,), unit="stub"),)
REJECT_EVERY, DUPLICATE_EVERY = 37, 100
REASONS = ("parse_error", "no_surface", "too_large", "non_finite", "unsafe_reference")  # none that a rerun tries again


def uid_of(number: int) -> str:
    """Name an asset as Objaverse does: 32 hexadecimal digits."""
    return f"{number:032x}"


def is_rejected(number: int) -> bool:
    """Whether the stub turns the asset away."""
    return number % REJECT_EVERY == 5


def is_duplicate(number: int) -> bool:
    """Whether the asset has the geometry of the one before, which is kept."""
    return number % DUPLICATE_EVERY == 7 and not is_rejected(number) and not is_rejected(number - 1)


def clean_stub(job: ShardJob) -> ShardResult:
    """Stand for `clean_shard`: a tiny mesh and a whole record, or a reject."""

    def clean(uid: str) -> Asset:
        number = int(uid, 16)
        if is_rejected(number):
            raise AssetError(REASONS[number // REJECT_EVERY % len(REASONS)], "as the stub wants it")
        record = ObjectRecord(
            uid=uid,
            source="objaverse",
            main_file=f"{uid}.glb",
            name=f"object {number}",
            category=f"category {number % 1156}",
            caption=f"A 3D model of object {number}, with a caption as long as those that Cap3D publishes for it.",
            licence="CC-BY-4.0",
            attribution=f"https://example.org/objects/{uid}",
        )
        facts = {
            "content_hash": f"{number:064x}",
            "signature": f"{number - is_duplicate(number):064x}",
            "num_faces": number % 100_000,
            "is_watertight": number % 2 == 0,
            "scale": 1 / (1 + number),
            "offset": [0.0, 0.25, 1 / (1 + number)],
        }
        return {"vertices": np.full((1 + number % 3, 3), number, np.float32)}, {**asdict(record), **facts}

    return map_assets(job.uids, clean, fields=VERTICES)


def targets_stub(job: ShardJob) -> ShardResult:
    """Stand for `build_targets_shard`: read the asset's mesh, write four numbers."""
    meshes = read_shard(job.inputs[0])
    places = positions(meshes, job.uids)

    def build(uid: str) -> Asset:
        return {"value": np.resize(meshes["vertices"][places[uid]], 4)}, {}

    return map_assets(places, build, fields=VALUE)


class Phases:
    """What each phase took."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, float]] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure what runs inside."""
        clock, cpu, own = time.monotonic(), cpu_seconds(), time.process_time()
        yield
        self.rows[name] = {
            "seconds": round(time.monotonic() - clock, 2),
            "cpu_seconds": round(cpu_seconds() - cpu, 2),
            "driver_cpu_seconds": round(time.process_time() - own, 2),
        }


def simulate(data: Path, *, num_assets: int, num_shards: int, num_workers: int) -> tuple[Phases, list[Ledger]]:
    """Run the assets through two stages as `pipelines/` does; Ray is started by the caller."""
    for stage in ("clean_meshes", "build_targets@stub"):
        (data / "runs" / stage).mkdir(parents=True, exist_ok=True)
    phases = Phases()
    map_stage = partial(map_shards, num_workers=num_workers, max_reject_fraction=0.1)
    with phases.phase("clean_meshes plan"):
        groups: dict[str, list[str]] = {}
        for number in range(num_assets):
            groups.setdefault(shard_name(uid_of(number), num_shards), []).append(uid_of(number))
        jobs = plan_jobs(groups, inputs=[], key_parts=["stub", 1])
    with phases.phase("clean_meshes map"):
        output = data / "meshes"
        cleaned = map_stage(jobs, clean_stub, fields=VERTICES, output=output, label="clean_meshes")
    with phases.phase("clean_meshes index"):
        index_meshes(
            data / "meshes", cleaned, val_fraction=0.1, test_fraction=0.1, test_ids=data / "metrics" / "test_ids.txt"
        )
    del groups, jobs
    with phases.phase("build_targets plan"):
        kept = uids_by_shard(available(data, "meshes"))
        jobs = plan_jobs(kept, inputs=[data / "meshes"], key_parts=["stub", 1])
    with phases.phase("build_targets map"):
        output = data / "targets" / "stub"
        built = map_stage(jobs, targets_stub, fields=VALUE, output=output, label="build_targets@stub")
    check(num_assets, cleaned, built)
    return phases, [cleaned, built]


def check(num_assets: int, cleaned: Ledger, built: Ledger) -> None:
    """See that the ledgers hold every asset, with the reason that the stub gave it."""
    num_rejected = len(range(5, num_assets, REJECT_EVERY))
    num_duplicates = sum(map(is_duplicate, range(7, num_assets, DUPLICATE_EVERY)))
    counts = cleaned.counts()
    num_kept = num_assets - num_rejected - num_duplicates
    assert counts["ok"] == num_kept == len(built) == len(built.ok), (counts, len(built))
    assert counts.get("duplicate", 0) == num_duplicates and len(cleaned) == num_assets, counts
    assert sum(counts.get(reason, 0) for reason in REASONS) == num_rejected, counts


class MemorySampler(threading.Thread):
    """The largest resident memory seen, in MiB: of one worker, and of Ray's own processes together."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.stopping = threading.Event()
        self.worker = self.ray = 0.0

    def run(self) -> None:
        """Look at all processes below this one, now and then."""
        import psutil

        while not self.stopping.wait(SAMPLE_EVERY):
            ray = 0.0
            for child in psutil.Process().children(recursive=True):
                try:
                    title, size = (child.cmdline() or [""])[0], child.memory_info().rss / 2**20
                except psutil.Error:
                    continue
                if title.startswith("ray::") and "Agent" not in title:
                    self.worker = max(self.worker, size)
                else:
                    ray += size
            self.ray = max(self.ray, ray)


def run_once(data: Path, num_assets: int, num_shards: int) -> dict[str, Any]:
    """Simulate in this process; the first few shards only warm Ray up."""
    from ltm3d.cluster.session import ray_started
    from ltm3d.resources import Resources

    sampler = MemorySampler()
    with ray_started(Resources(num_workers=NUM_WORKERS)), tempfile.TemporaryDirectory(prefix="ltm3d-warm-") as warm:
        simulate(Path(warm), num_assets=400, num_shards=8, num_workers=NUM_WORKERS)
        at_start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        sampler.start()
        phases, ledgers = simulate(data, num_assets=num_assets, num_shards=num_shards, num_workers=NUM_WORKERS)
        sampler.stopping.set()
    sums = {name: sum(row[name] for row in phases.rows.values()) for name in ("seconds", "cpu_seconds")}
    return {
        "seconds": round(sums["seconds"], 1),
        "cpu_seconds": round(sums["cpu_seconds"], 1),
        "cpu_ms_per_asset": round(1000 * sums["cpu_seconds"] / num_assets, 3),
        "num_tasks": sum(ledger.num_tasks for ledger in ledgers),
        "peak_mib": {
            "driver": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "driver_after_warm_up": round(at_start),
            "one_worker": round(sampler.worker),
            "ray_itself": round(sampler.ray),
        },
        "phases": phases.rows,
    }


def measure(sizes: Sequence[int], assets_per_shard: int, scratch: Path) -> dict[str, Any]:
    """Run each size twice, in processes of their own."""
    import psutil
    import ray

    rows = []
    for num_assets in sizes:
        data, num_shards = scratch / str(num_assets), max(1, num_assets // assets_per_shard)
        command = [sys.executable, __file__, "--once", str(data), str(num_assets), str(num_shards)]
        row: dict[str, Any] = {"num_assets": num_assets, "num_shards": num_shards}
        for name in ("first", "resumed"):
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            row[name] = json.loads(done.stdout.splitlines()[-1])
            print(num_assets, name, json.dumps(row[name]), flush=True)
        rows.append(row)
        shutil.rmtree(data)
    result = {
        "claim": "cost an asset is flat from 10 k to 1 M rows, and the driver's memory is bounded",
        "machine": f"{describe_machine()}, {psutil.virtual_memory().total / 2**30:.0f} GiB, Linux {platform.release()}",
        "python": platform.python_version(),
        "ray": ray.__version__,
        "assets_per_shard": assets_per_shard,
        "num_workers": NUM_WORKERS,
        "rows": rows,
    }
    if len(rows) > 1:
        small, large = rows[-2], rows[-1]
        grown = large["first"]["peak_mib"]["driver"] - small["first"]["peak_mib"]["driver"]
        result["driver_bytes_per_row"] = round(grown * 2**20 / (large["num_assets"] - small["num_assets"]))
    return result


def main() -> None:
    """Measure and write the result; with --once, one run in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--assets-per-shard", type=int, default=ASSETS_PER_SHARD)
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--once", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    if options.once:
        folder, num_assets, num_shards = options.once
        print(json.dumps(run_once(Path(folder), int(num_assets), int(num_shards))))
        return
    with tempfile.TemporaryDirectory(prefix="ltm3d-scale-") as scratch:
        result = measure(options.assets, options.assets_per_shard, Path(scratch))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
