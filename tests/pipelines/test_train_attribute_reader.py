"""The stage on the procedural source, and on assets of which nothing is known: it says that there is nothing to do."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from checkout import Checkout

from ltm3d.errors import ConfigError
from ltm3d.evaluation.attribute_reader import AttributeReader
from ltm3d.evaluation.attribute_training import AttributeTrainingConfig, FreshObjects
from ltm3d.procedural.objects import CATEGORIES
from ltm3d.schema import MESHES
from ltm3d.shards.index import IndexEntry, read_index, write_index
from ltm3d.shards.meshes import mesh_arrays
from ltm3d.shards.write import write_shard
from ltm3d.sources.procedural import ProceduralSource
from pipelines.train_attribute_reader import check_seed

SHARD = "shard-00000"
TINY = {
    "model": {"num_points": 256, "resolution": 16, "width": 4, "hidden_dim": 8},
    "training": {"num_objects": 14, "num_epochs": 2, "batch_size": 7},
}


@pytest.fixture
def meshes(tmp_path: Path, repository: Path) -> Checkout:
    """Fourteen cleaned objects, one of each category in the validation and in the test split."""
    folder, objects = tmp_path / "data" / "meshes", FreshObjects(seed=4, count=14)
    uids = [f"u{index:02d}" for index in range(14)]
    built = list(objects)
    arrays = {field.name: [mesh_arrays(mesh)[field.name] for mesh in built] for field in MESHES}
    write_shard(folder / SHARD, fields=MESHES, arrays=arrays, uids=uids, records=[{}] * 14, rejects=[], key="k")
    entries = [
        IndexEntry(
            uid=uid,
            shard=SHARD,
            split="val" if index < 7 else "test",
            category=drawn.category,
            caption=drawn.caption,
            source="procedural",
            licence="",
            name="",
            num_faces=len(mesh.faces),
            is_watertight=True,
            scale=1.0,
            offset=(0.0, 0.0, 0.0),
            attributes=drawn.attributes,
        )
        for index, (uid, drawn, mesh) in enumerate(zip(uids, objects.drawn, built, strict=True))
    ]
    write_index(folder, entries)
    checkout = Checkout(tmp_path, repository)
    checkout.set_params(attribute_reader=TINY)
    return checkout


def test_a_reader_is_trained_and_measured_on_true_shapes_or_says_that_nothing_is_known(meshes: Checkout) -> None:
    assert "test: accuracy" in meshes.run("train_attribute_reader")
    folder, written = meshes.data / "models/attribute_reader", meshes.data / "metrics/attribute_reader.json"
    assert set(AttributeReader.load(folder).categories) == set(CATEGORIES)
    metrics = json.loads(written.read_text())
    for split in ("val", "test"):
        assert metrics[split]["num_assets"] == 7 and 0 <= metrics[split]["accuracy"] <= 1
    rows = json.loads((meshes.data / "plots/train_attribute_reader.json").read_text())
    assert [row["step"] for row in rows] == [2, 4]

    meshes.set_params(attribute_reader={"model": TINY["model"], "training": {"num_objects": 0}})
    assert "num_objects is 0: no reader is asked for" in meshes.run("train_attribute_reader")
    assert json.loads(written.read_text()) == {"trained": False} and not (folder / "config.json").exists()

    meshes.set_params(attribute_reader=TINY)
    entries = [replace(entry, source="folder", attributes={}) for entry in read_index(meshes.data / "meshes")]
    write_index(meshes.data / "meshes", entries)
    shutil.rmtree(folder)
    assert "has known attributes: nothing to read" in meshes.run("train_attribute_reader")
    assert json.loads(written.read_text()) == {"trained": False} and not (folder / "config.json").exists()


def test_the_training_objects_are_of_a_seed_that_no_source_has() -> None:
    training = AttributeTrainingConfig(objects_seed=7)
    check_seed(training, [ProceduralSource(num_objects=10, seed=8)])
    with pytest.raises(ConfigError, match="objects_seed is 7, the seed of a source"):
        check_seed(training, [ProceduralSource(num_objects=10, seed=8), ProceduralSource(num_objects=10, seed=7)])
