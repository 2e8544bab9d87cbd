"""Train the reader of attributes that evaluation asks → data/models/attribute_reader.

It learns from procedural objects of a seed that no data set has; the validation split chooses among its epochs, the
test split's true meshes say how well it reads. Where no asset has known attributes it has nothing to do, and says so.
"""

import json
import shutil
from typing import Any

import torch

from ltm3d.errors import ConfigError
from ltm3d.evaluation.attribute_reader import AttributeReader, AttributeReaderConfig
from ltm3d.evaluation.attribute_training import (
    AttributeExamples,
    AttributeTrainingConfig,
    accuracies,
    examples_of,
    fresh_examples,
    mean_accuracy,
    most_frequent,
    read_examples,
    train_attribute_reader,
)
from ltm3d.evaluation.attributes import is_readable
from ltm3d.shards.index import IndexEntry, read_index
from ltm3d.shards.meshes import MeshSet
from ltm3d.shards.read import ShardSet
from ltm3d.sources.kinds import build_sources
from ltm3d.sources.procedural import ProceduralSource
from pipelines import _stage
from pipelines._training import write_rows

LIBRARIES = ("numpy", "torch", "manifold3d")  # whose versions are part of the key


def main() -> None:
    """Train, choose the epoch, and report what is read of the validation and the test split's true meshes."""
    with _stage.stage("train_attribute_reader", minutes="3 minutes", disk="8 MB") as stage:
        config = stage.params.get("attribute_reader.model", AttributeReaderConfig)
        training = stage.params.get("attribute_reader.training", AttributeTrainingConfig)
        check_seed(training, build_sources(stage.params.value("sources", list)))
        output = stage.data / "models" / "attribute_reader"
        output.mkdir(parents=True, exist_ok=True)
        metrics_file = stage.data / "metrics" / "attribute_reader.json"
        metrics_file.parent.mkdir(parents=True, exist_ok=True)
        curve = stage.data / "plots" / "train_attribute_reader.json"
        entries = [entry for entry in read_index(stage.data / "meshes") if is_readable(entry)]
        splits = {split: [entry for entry in entries if entry.split == split] for split in ("val", "test")}
        if not training.num_objects or not all(splits.values()):
            reason = (
                "no asset of the validation or of the test split has known attributes: nothing to read, no reader"
                if training.num_objects
                else "attribute_reader.training.num_objects is 0: no reader is asked for"
            )
            shutil.rmtree(output)
            output.mkdir()
            (output / "README").write_text(f"{reason}\n")
            metrics_file.write_text(json.dumps({"trained": False}) + "\n")
            write_rows([], curve)
            _stage.logger.info(reason)
            return
        examples = fresh_examples(seed=training.objects_seed, count=training.num_objects, num_points=config.num_points)
        known = {split: true_shapes(stage, own, config) for split, own in splits.items()}
        reader, rows = train_attribute_reader(config, training, examples, known["val"], seed=stage.seed)
        reader.save(output)
        write_rows(rows, curve)
        metrics: dict[str, Any] = {"trained": True, **{split: measure(reader, own) for split, own in known.items()}}
        metrics_file.write_text(json.dumps(metrics, indent=2, sort_keys=True) + "\n")
        for split in known:
            means = {name: value for name, value in metrics[split].items() if isinstance(value, float)}
            stage.tracker.log_metrics({f"{split}/{name}": value for name, value in means.items()})
            _stage.logger.info("%s: %s", split, ", ".join(f"{name} {value:.4f}" for name, value in means.items()))


def check_seed(training: AttributeTrainingConfig, sources: list[Any]) -> None:
    """Refuse to train on the objects of a data set.

    Raises:
        ConfigError: a procedural source has the training objects' seed.
    """
    if any(isinstance(source, ProceduralSource) and source.seed == training.objects_seed for source in sources):
        raise ConfigError(
            f"attribute_reader.training.objects_seed is {training.objects_seed}, the seed of a source: the reader "
            "would know the test set; give another"
        )


def true_shapes(stage: _stage.Stage, entries: list[IndexEntry], config: AttributeReaderConfig) -> AttributeExamples:
    """Draw points on the true meshes of a split."""
    meshes = MeshSet(ShardSet(stage.data / "meshes", [entry.uid for entry in entries]))
    return examples_of(
        meshes,
        [entry.category for entry in entries],
        [entry.attributes for entry in entries],
        num_points=config.num_points,
    )


def measure(reader: AttributeReader, examples: AttributeExamples) -> dict[str, Any]:
    """Return the accuracy on true meshes, as they are and damaged, of each attribute, and what guessing gets."""
    return {
        "num_assets": len(examples),
        "accuracy": mean_accuracy(reader, examples),
        "damaged_accuracy": mean_accuracy(reader, examples, damage=1.0),
        "by_attribute": accuracies(read_examples(reader, examples), examples),
        "most_frequent": most_frequent(examples),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    _stage.run(main)
