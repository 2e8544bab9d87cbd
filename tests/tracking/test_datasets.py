from pathlib import Path

import numpy as np

from ltm3d.schema import Field
from ltm3d.shards.write import write_shard
from ltm3d.tracking.datasets import data_digest

FIELD = Field(name="points", dtype="float32", shape=("N", 3), unit="", ragged=True)


def write(folder: Path, values: np.ndarray) -> None:
    fields = {"arrays": {"points": [values]}, "uids": ["a"], "records": [{}], "rejects": [], "key": "k"}
    write_shard(folder, fields=[FIELD], **fields)  # type: ignore[arg-type]


def test_a_digest_follows_content_and_names(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        (folder / "part").mkdir(parents=True)
        (folder / "part/index.json").write_text("{}")
        write(folder / "shard-00000", np.zeros((4, 3), np.float32))
    (two / ".hidden").write_text("")
    (two / "part/provenance.json").write_text("[]")
    (two / "shard-00000/points.npy").touch()
    digest = data_digest(one)
    assert digest is not None and len(digest) == 32 and digest == data_digest(two)
    write(two / "shard-00000", np.ones((4, 3), np.float32))
    assert data_digest(two) != digest
    write(two / "shard-00000", np.zeros((4, 3), np.float32))
    assert data_digest(two) == digest
    (two / "part/index.json").rename(two / "part/other.json")
    assert data_digest(two) != digest
    assert data_digest(one / "part/index.json") != data_digest(one / "part")
    assert data_digest(tmp_path / "none") is None
