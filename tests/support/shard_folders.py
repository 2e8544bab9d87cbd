"""A small shard with every kind of field."""

from pathlib import Path

import numpy as np

from ltm3d.schema import Field
from ltm3d.shards.write import Reject, write_shard

FIELDS = (
    Field(name="points", dtype="float32", shape=("N", 3), unit="", ragged=True),
    Field(name="image", dtype="uint8", shape=("H", "H", 4), unit=""),
    Field(name="score", dtype="float64", shape=(), unit=""),
)


def example_arrays(num_assets: int = 3, seed: int = 0) -> dict[str, list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    return {
        "points": [rng.normal(size=(2 * i, 3)).astype(np.float32) for i in range(num_assets)],  # the first is empty
        "image": [rng.integers(0, 255, (5, 5, 4), dtype=np.uint8) for _ in range(num_assets)],
        "score": [np.float64(i) + np.zeros(()) for i in range(num_assets)],
    }


def write_example(folder: Path, *, num_assets: int = 3, seed: int = 0, key: str = "k", prefix: str = "u") -> None:
    write_shard(
        folder,
        fields=FIELDS,
        arrays=example_arrays(num_assets, seed),
        uids=[f"{prefix}{i}" for i in range(num_assets)],
        records=[{"number": i, "name": f"née {i}"} for i in range(num_assets)],
        rejects=[Reject(uid=f"{prefix}-z", reason="timeout"), Reject(uid=f"{prefix}-b", reason="crash:SIGSEGV")],
        key=key,
    )
