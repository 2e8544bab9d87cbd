"""The reader learns from fresh objects; read are others, of another seed."""

from functools import cache

import numpy as np
import pytest
import torch

from ltm3d.errors import ConfigError
from ltm3d.evaluation.attribute_reader import AttributeReader, AttributeReaderConfig
from ltm3d.evaluation.attribute_training import (
    AttributeExamples,
    AttributeTrainingConfig,
    FreshObjects,
    accuracies,
    damage_points,
    fresh_examples,
    mean_accuracy,
    most_frequent,
    read_examples,
    train_attribute_reader,
)
from ltm3d.evaluation.attributes import geometric_values
from ltm3d.evaluation.reading import Reading
from ltm3d.geometry.mesh import Mesh

TINY = AttributeReaderConfig(num_points=256, resolution=16, width=4, hidden_dim=8)
READER = AttributeReaderConfig(num_points=4096)
HELD_OUT_SEED, OTHER_SEED = 2, 3


@cache
def held_out() -> AttributeExamples:
    return fresh_examples(seed=HELD_OUT_SEED, count=140, num_points=READER.num_points)


@cache
def trained() -> AttributeReader:
    training = AttributeTrainingConfig(num_objects=840, num_epochs=14)
    examples = fresh_examples(seed=training.objects_seed, count=training.num_objects, num_points=READER.num_points)
    validation = fresh_examples(seed=OTHER_SEED, count=70, num_points=READER.num_points)
    return train_attribute_reader(READER, training, examples, validation, seed=0)[0]


@pytest.mark.slow
def test_held_out_shapes_are_read_right() -> None:
    """A third of the default's objects; the default's metrics are in data/metrics/attribute_reader.json."""
    table = accuracies(read_examples(trained(), held_out()), held_out())
    assert np.mean([names["category"] for names in table.values()]) >= 0.97
    assert mean_accuracy(trained(), held_out()) >= 0.75
    assert mean_accuracy(trained(), held_out()) > most_frequent(held_out()) + 0.1


@pytest.mark.slow
def test_damage_costs_little() -> None:
    clean, damaged = (mean_accuracy(trained(), held_out(), damage=damage) for damage in (0.0, 1.0))
    assert clean - 0.1 < damaged <= clean + 0.02


@pytest.mark.slow
def test_the_triangulation_does_not_matter() -> None:
    """Each face in four, in another order: the same shape, other random points."""
    rng, same = np.random.default_rng(0), []
    meshes = FreshObjects(seed=HELD_OUT_SEED, count=42)
    for mesh, drawn in zip(meshes, meshes.drawn, strict=True):
        fine = in_four(mesh, rng)
        assert len(fine.faces) == 4 * len(mesh.faces)
        before, after = trained().read(mesh), trained().read(fine)
        assert before.category == after.category
        same += [before.attributes[name] == after.attributes[name] for name in geometric_values(drawn.category)]
    assert np.mean(same) > 0.96


def in_four(mesh: Mesh, rng: np.random.Generator) -> Mesh:
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
    corners = np.stack([[a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]])  # [4, 3, F, 3]
    triangles = rng.permutation(corners.transpose(0, 2, 1, 3).reshape(-1, 3, 3))
    return Mesh(triangles.reshape(-1, 3), np.arange(3 * len(triangles)).reshape(-1, 3))


def test_the_same_seed_trains_the_same_reader() -> None:
    training = AttributeTrainingConfig(num_objects=14, num_epochs=2, batch_size=4)
    examples = fresh_examples(seed=5, count=14, num_points=256)
    (first, rows), (second, again), (other, _) = (
        train_attribute_reader(TINY, training, examples, examples, seed=seed) for seed in (0, 0, 1)
    )
    assert rows == again and [row["step"] for row in rows] == [4, 8]
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
    assert not torch.equal(first.heads.weight, other.heads.weight)


def test_no_damage_leaves_the_points_alone_and_damage_is_bounded() -> None:
    generator = torch.Generator().manual_seed(0)
    normals = torch.nn.functional.normalize(torch.randn(64, 400, 3, generator=generator), dim=-1)
    points = 0.5 * normals
    same, kept = damage_points(points, normals, strength=0.0, generator=generator)
    assert torch.equal(same, points) and bool(kept.all())
    damaged, kept = damage_points(points, normals, strength=1.0, generator=generator)
    untouched = (damaged == points).all(dim=(1, 2)) & kept.all(dim=1)
    assert 0.1 < untouched.float().mean() < 0.45  # one of four
    assert kept.float().mean(dim=1).min() > 0.1
    moved = (damaged - points).norm(dim=-1)
    assert moved.median() < 0.03 and (moved > 0.25).float().mean() < 0.02  # beyond that only clumps lie


def test_a_misread_category_is_wrong_in_all() -> None:
    own = {"a": "1", "b": "2"}
    none = torch.empty(3, 0, 3, dtype=torch.float16)
    examples = AttributeExamples(none, none, ["lamp", "lamp", "sofa"], [own, own, {"c": "3"}])
    readings = [Reading("lamp", {"a": "1", "b": "1"}), Reading("sofa", own), Reading("sofa", {"c": "3"})]
    assert accuracies(readings, examples) == {
        "lamp": {"a": 0.5, "b": 0.0, "category": 0.5},
        "sofa": {"c": 1.0, "category": 1.0},
    }
    assert most_frequent(examples) == 1
    mixed = AttributeExamples(none, none, ["lamp"] * 3, [own, own, {"a": "2"}])
    assert most_frequent(mixed) == pytest.approx((1 + 2 / 3 + 1) / 3)  # category, a, b


def test_settings_out_of_range_are_named() -> None:
    for name, value in (("num_objects", -1), ("damage", 3.0), ("objects_seed", -1), ("learning_rate", 0.0)):
        with pytest.raises(ConfigError, match=name):
            AttributeTrainingConfig(**{name: value})
