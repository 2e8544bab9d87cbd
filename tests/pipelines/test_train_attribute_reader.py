"""The stage on the procedural source, and on assets of which nothing is known: it says that there is nothing to do."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from checkout import Checkout

from ltm3d.errors import ConfigError
from ltm3d.evaluation.attribute_reader import AttributeReader
from ltm3d.evaluation.attribute_training import AttributeTrainingConfig
from ltm3d.procedural.objects import CATEGORIES
from ltm3d.shards.index import read_index, write_index
from ltm3d.sources.procedural import ProceduralSource
from pipelines.train_attribute_reader import check_seed

TINY = {
    "model": {"num_points": 256, "resolution": 16, "width": 4, "hidden_dim": 8},
    "training": {"num_objects": 14, "num_epochs": 2, "batch_size": 7},
}
OUTPUTS = ("models/attribute_reader", "metrics/attribute_reader.json", "plots/train_attribute_reader.json")


@pytest.fixture
def reading(checkout, data_log):
    """The shared checkout, left as it was found."""
    checkout.set_params(attribute_reader=TINY)
    yield checkout
    checkout.set_params()
    for name in ("models", "metrics/attribute_reader.json", "plots"):
        path = checkout.data / name
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)


def test_a_reader_is_trained_and_measured_on_true_shapes(reading) -> None:
    log = reading.run("train_attribute_reader")
    assert "test: accuracy" in log
    reader = AttributeReader.load(reading.data / OUTPUTS[0])
    assert set(reader.categories) == set(CATEGORIES)
    metrics = json.loads((reading.data / OUTPUTS[1]).read_text())
    entries = read_index(reading.data / "meshes")
    for split in ("val", "test"):
        assert metrics[split]["num_assets"] == sum(entry.split == split for entry in entries) > 0
        assert 0 <= metrics[split]["accuracy"] <= 1
    assert [row["step"] for row in json.loads((reading.data / OUTPUTS[2]).read_text())] == [2, 4]


def test_without_known_attributes_nothing_is_trained_and_that_is_said(reading, tmp_path: Path, repository) -> None:
    other = Checkout(tmp_path, repository)
    other.set_params(attribute_reader=TINY)
    (other.data / "meshes").mkdir(parents=True)
    entries = [replace(entry, source="folder", attributes={}) for entry in read_index(reading.data / "meshes")]
    write_index(other.data / "meshes", entries)
    assert "has known attributes: nothing to read" in other.run("train_attribute_reader")
    assert json.loads((other.data / OUTPUTS[1]).read_text()) == {"trained": False}
    assert not (other.data / OUTPUTS[0] / "config.json").exists()


def test_the_training_objects_are_of_a_seed_that_no_source_has() -> None:
    training = AttributeTrainingConfig(objects_seed=7)
    check_seed(training, [ProceduralSource(num_objects=10, seed=8)])
    with pytest.raises(ConfigError, match="objects_seed is 7, the seed of a source"):
        check_seed(training, [ProceduralSource(num_objects=10, seed=8), ProceduralSource(num_objects=10, seed=7)])
