"""What a training step reads of a shard, in bytes that come off the disk, against reading the whole asset.

python -m benchmarks.preprocess.reading → benchmarks/results/reading.json

Targets of 500,000 queries, as large shards are meant to have; a step of the demo's and one of 3DShape2VecSet's size.
The page cache is emptied of the shard first, then its resident pages are counted: read-ahead is in the metrics.
"""

import ctypes
import json
import mmap
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe
from ltm3d.schema import SDF_TARGETS
from ltm3d.shards.read import ShardSet
from ltm3d.shards.write import write_shard
from ltm3d.tokenizers.target_examples import SdfExampleConfig, SdfExamples

RESULT = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "reading.json"
NUM_ASSETS = 24
COUNTS = {"surface": 65_536, "sharp": 65_536, "volume": 250_000, "near": 250_000}
STEPS = {
    "demo": SdfExampleConfig(num_surface=512, num_volume=256, num_near=384),
    "3dshape2vecset": SdfExampleConfig(num_surface=2048, num_volume=1024, num_near=1024),
}


def main() -> None:
    """Write one shard, take one example of each asset, count pages."""
    with tempfile.TemporaryDirectory(dir=RESULT.parents[2]) as name:  # not in memory, as /tmp may be
        root = Path(name)
        write_targets(root / "shard-00000")
        files = sorted(root.glob("shard-*/*.npy"))
        whole = sum(path.stat().st_size for path in files) / NUM_ASSETS
        steps = {step: measure(root, files, config) for step, config in STEPS.items()}
    for row in steps.values():
        row["share_of_asset"] = row["bytes_per_example"] / whole
        row["share_with_read_ahead"] = row["bytes_with_read_ahead"] / whole
    result = {"machine": describe("numpy"), "num_assets": NUM_ASSETS, "asset_bytes": whole, "steps": steps}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write(json.dumps(result["steps"], indent=1) + "\n")


def write_targets(folder: Path) -> None:
    """Write a shard of random numbers in the form of SDF targets."""
    rng = np.random.default_rng(0)
    widths = {"surface": 6, "sharp": 6, "volume": 4, "near": 4}
    arrays = {
        field: [rng.standard_normal((count, widths[field])).astype(np.float16) for _ in range(NUM_ASSETS)]
        for field, count in COUNTS.items()
    }
    uids = [f"asset-{number:03}" for number in range(NUM_ASSETS)]
    write_shard(
        folder, fields=SDF_TARGETS, arrays=arrays, uids=uids, records=[{} for _ in uids], rejects=[], key="bench"
    )


def measure(root: Path, files: list[Path], config: SdfExampleConfig) -> dict[str, Any]:
    """Return the bytes an example needs, those that are read for it, and those with the system's read-ahead left on."""
    needed = 2 * (6 * config.num_surface + 4 * config.num_volume + 4 * config.num_near)

    def with_read_ahead() -> None:
        plain, rng = ShardSet(root), np.random.default_rng(0)
        for index in range(NUM_ASSETS):
            for name, count in (
                ("surface", config.num_surface),
                ("volume", config.num_volume),
                ("near", config.num_near),
            ):
                start = int(rng.integers(COUNTS[name] - count + 1))
                plain.get(name, index)[start : start + count].sum()

    def as_in_training() -> None:
        fresh, rng = SdfExamples(ShardSet(root), config, augment=False), np.random.default_rng(0)
        for index in range(NUM_ASSETS):
            fresh.example(index, rng)

    return {
        "needed_per_example": needed,
        "bytes_per_example": bytes_read(files, as_in_training) / NUM_ASSETS,
        "bytes_with_read_ahead": bytes_read(files, with_read_ahead) / NUM_ASSETS,
    }


def bytes_read(files: list[Path], work: Callable[[], None]) -> int:
    """Return what a call brings into the page cache of files that are not in it."""
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    before = sum(resident_bytes(path) for path in files)
    work()
    return sum(resident_bytes(path) for path in files) - before


def resident_bytes(path: Path) -> int:
    """Return how much of a file is in the page cache."""
    size = path.stat().st_size
    both = mmap.PROT_READ | mmap.PROT_WRITE  # ctypes asks for a map that could be written to; it is private
    with path.open("rb") as file, mmap.mmap(file.fileno(), size, flags=mmap.MAP_PRIVATE, prot=both) as mapped:
        pages = (ctypes.c_ubyte * (-(-size // mmap.PAGESIZE)))()
        address = ctypes.addressof(ctypes.c_char.from_buffer(mapped))
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(size), pages):
            raise OSError(ctypes.get_errno(), "mincore")
    return sum(page & 1 for page in pages) * mmap.PAGESIZE


if __name__ == "__main__":
    main()
