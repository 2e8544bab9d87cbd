"""Train the reader of attributes on fresh procedural objects, whose seed no data set has; no generated shape is seen.

The reader must read what a tokenizer's round trip or a generator leaves of a shape, not how clean a mesh is. So most
training shapes are damaged: thickened or thinned along the normals (a shifted level set), bent, scaled, roughened, with
pieces missing and pieces that do not belong there.

Letters: N objects, B shapes of a batch, P points.
"""

import logging
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float16
from torch import Tensor

from ltm3d.errors import ConfigError
from ltm3d.evaluation.attribute_reader import AttributeReader, AttributeReaderConfig, make_pictures
from ltm3d.evaluation.attributes import CATEGORY, geometric_values, visible_attributes
from ltm3d.evaluation.reading import Reading
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.normalize import normalize
from ltm3d.geometry.surface_points import sample_surface
from ltm3d.nn.randomness import mix, seeded_generator
from ltm3d.procedural.objects import CATEGORIES, build_mesh, draw_object

logger = logging.getLogger(__name__)
BETAS = (0.9, 0.99)
Row = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class AttributeTrainingConfig:
    """How the reader is trained.

    Attributes:
        objects_seed: of the training objects; must be none of the procedural sources' seeds.
        num_objects: categories take turns; 0 = no reader is trained.
        damage: 1 damages training shapes as `damage_points` says, 0 not at all.
        learning_rate: the highest; it rises over the first tenth of the steps and falls by a cosine.
    """

    objects_seed: int = 1_000_003
    num_objects: int = 2800
    num_epochs: int = 12
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    damage: float = 1.0

    def __post_init__(self) -> None:
        for name, least in (("objects_seed", 0), ("num_objects", 0), ("num_epochs", 1), ("batch_size", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        if not self.learning_rate > 0 or self.weight_decay < 0:
            raise ConfigError(
                f"learning_rate {self.learning_rate} must be above 0, weight_decay {self.weight_decay} not below"
            )
        if not 0 <= self.damage <= 2:
            raise ConfigError(f"damage is {self.damage}; it must lie between 0 (none) and 2")


@dataclass(frozen=True, eq=False)
class AttributeExamples:
    """Shapes with what is known of them: surface points and normals, categories and visible attributes."""

    points: Float16[Tensor, "N P 3"]
    normals: Float16[Tensor, "N P 3"]
    categories: list[str]
    attributes: list[dict[str, str]]

    def __len__(self) -> int:
        return len(self.categories)


def examples_of(
    meshes: Sequence[Mesh], categories: Sequence[str], attributes: Sequence[dict[str, str]], *, num_points: int
) -> AttributeExamples:
    """Draw points on known shapes in the normalised frame; shape i's draw depends on i alone."""
    points = torch.empty(len(meshes), num_points, 3, dtype=torch.float16)
    normals = torch.empty_like(points)
    for index in range(len(meshes)):
        samples = sample_surface(meshes[index], num_points, np.random.default_rng(index))
        points[index], normals[index] = torch.from_numpy(samples.points), torch.from_numpy(samples.normals)
    visible = [
        {name: own[name] for name in visible_attributes(category, own)}
        for category, own in zip(categories, attributes, strict=True)
    ]
    return AttributeExamples(points, normals, list(categories), visible)


class FreshObjects(Sequence[Mesh]):
    """Objects 0 to `count` - 1 of a seed as meshes in the normalised frame, each built when asked for."""

    def __init__(self, *, seed: int, count: int) -> None:
        names = list(CATEGORIES)
        self.drawn = [draw_object(names[index % len(names)], seed=seed, index=index) for index in range(count)]

    def __len__(self) -> int:
        return len(self.drawn)

    def __getitem__(self, index: int) -> Mesh:  # type: ignore[override]  # no slices
        own = self.drawn[index]
        return normalize(build_mesh(own.category, own.attributes, own.parameters))[0]


def fresh_examples(*, seed: int, count: int, num_points: int) -> AttributeExamples:
    """Build procedural objects of a seed; about 20 ms each on one core."""
    meshes = FreshObjects(seed=seed, count=count)
    return examples_of(
        meshes,
        [own.category for own in meshes.drawn],
        [own.attributes for own in meshes.drawn],
        num_points=num_points,
    )


def damage_points(
    points: Float[Tensor, "B P 3"], normals: Float[Tensor, "B P 3"], *, strength: float, generator: torch.Generator
) -> tuple[Float[Tensor, "B P 3"], Bool[Tensor, "B P"]]:
    """Damage three shapes of four; return the points, and which of them are left.

    At strength 1, in units of the frame whose half side is 1: a level set moved by up to 0.02, three waves of up to
    0.01 each, a scale of 3 % an axis and a shift of 0.02, noise of up to 0.015, up to three missing balls of a
    radius of up to 0.16, a clump of 2 % of the points, and between a quarter and all of the points.
    """
    num_shapes, num_points = points.shape[:2]

    def uniform(*shape: int) -> Tensor:
        return torch.rand(num_shapes, *shape, generator=generator)

    def some(share: float) -> Tensor:
        return (uniform(1, 1) < share).float()

    size = strength * some(0.75)
    damaged = points + normals * (size * some(0.6) * (0.04 * uniform(1, 1) - 0.02))
    for _ in range(3):
        wave = torch.sin(damaged @ (6 * uniform(3, 3) - 3) + 2 * math.pi * uniform(1, 3))
        damaged = damaged + 0.01 * size * (2 * uniform(1, 3) - 1) * wave
    damaged = damaged * (1 + 0.03 * size * (2 * uniform(1, 3) - 1)) + 0.02 * size * (2 * uniform(1, 3) - 1)
    damaged = damaged + 0.015 * size * uniform(1, 1) * torch.randn(points.shape, generator=generator)
    kept = uniform(num_points) < 1 - 0.75 * size[..., 0] * uniform(1)
    each = torch.arange(num_shapes)
    for _ in range(3):
        middle = damaged[each, (uniform() * num_points).long()][:, None]
        radius = 0.16 * size * some(0.5) * uniform(1, 1)
        kept &= (damaged - middle).norm(dim=-1) >= radius[..., 0]
    clump = (uniform(num_points) < 0.02 * size[..., 0] * some(0.25)[..., 0])[..., None]
    place = 1.8 * uniform(1, 3) - 0.9 + 0.06 * torch.randn(points.shape, generator=generator)
    return torch.where(clump, place, damaged), kept | clump[..., 0]


def train_attribute_reader(
    config: AttributeReaderConfig,
    training: AttributeTrainingConfig,
    examples: AttributeExamples,
    validation: AttributeExamples,
    *,
    seed: int,
) -> tuple[AttributeReader, list[Row]]:
    """Train, and keep the epoch that reads the validation shapes best, clean and damaged together.

    Returns:
        The reader, and an epoch's rows: `step`, `loss` (mean over the epoch), `accuracy`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix(seed, 0))  # the weights, and below the dropout
        reader = AttributeReader(config, {category: geometric_values(category) for category in CATEGORIES})
        optimizer = torch.optim.AdamW(
            reader.parameters(), lr=training.learning_rate, betas=BETAS, weight_decay=training.weight_decay
        )
        num_steps = training.num_epochs * math.ceil(len(examples) / training.batch_size)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step / num_steps))
        rows: list[Row] = []
        best: dict[str, Tensor] = {}
        for epoch in range(training.num_epochs):
            losses = [
                _step(reader, optimizer, schedule, examples, batch, training.damage, mix(seed, 1, epoch, number))
                for number, batch in enumerate(_batches(len(examples), training.batch_size, mix(seed, 2, epoch)))
            ]
            clean, damaged = (mean_accuracy(reader, validation, damage=damage) for damage in (0.0, 1.0))
            accuracy = (clean + damaged) / 2
            if not rows or accuracy > max(row["accuracy"] for row in rows):
                best = {name: value.clone() for name, value in reader.state_dict().items()}
            step = (epoch + 1) * num_steps // training.num_epochs
            rows.append({"step": step, "loss": sum(losses) / len(losses), "accuracy": accuracy})
            logger.info("epoch %d: loss %.3f, accuracy %.4f, damaged %.4f", epoch + 1, losses[-1], clean, damaged)
    reader.load_state_dict(best)
    return reader.eval(), rows


def _rate(done: float) -> float:
    return min(1.0, 10 * done + 0.01) * 0.5 * (1 + math.cos(math.pi * done))


def _batches(count: int, size: int, seed: int) -> Iterator[Tensor]:
    yield from torch.randperm(count, generator=seeded_generator(seed)).split(size)


def _step(
    reader: AttributeReader,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LambdaLR,
    examples: AttributeExamples,
    batch: Tensor,
    damage: float,
    seed: int,
) -> float:
    points, kept = damage_points(
        examples.points[batch].float(),
        examples.normals[batch].float(),
        strength=damage,
        generator=seeded_generator(seed),
    )
    reader.train()
    logits = reader(make_pictures(points, kept, resolution=reader.config.resolution))
    rows = batch.tolist()
    loss = reader.loss(logits, [examples.categories[row] for row in rows], [examples.attributes[row] for row in rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
    return loss.item()


def read_examples(reader: AttributeReader, examples: AttributeExamples, *, damage: float = 0.0) -> list[Reading]:
    """Read known shapes as they are, or damaged; the damage is the same each time."""
    readings: list[Reading] = []
    for number, batch in enumerate(torch.arange(len(examples)).split(32)):
        points, kept = damage_points(
            examples.points[batch].float(),
            examples.normals[batch].float(),
            strength=damage,
            generator=seeded_generator(number),
        )
        readings += reader.read_points(points, kept)
    return readings


def accuracies(readings: Sequence[Reading], examples: AttributeExamples) -> dict[str, dict[str, float]]:
    """Return category → attribute → share read right, `category` among them; a misread category is all wrong."""
    right: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for reading, category, known in zip(readings, examples.categories, examples.attributes, strict=True):
        same = reading.category == category
        right[category][CATEGORY].append(same)
        for name, value in known.items():
            right[category][name].append(same and reading.attributes[name] == value)
    return {
        category: {name: sum(hits) / len(hits) for name, hits in sorted(names.items())}
        for category, names in sorted(right.items())
    }


def most_frequent(examples: AttributeExamples) -> float:
    """Return what saying each attribute's most frequent value would get, averaged like `mean_accuracy`.

    The category is taken as known: it is right.
    """
    means = []
    for category in sorted(set(examples.categories)):
        own = [known for name, known in zip(examples.categories, examples.attributes, strict=True) if name == category]
        shares = [1.0]
        for name in sorted({name for known in own for name in known}):
            values = [known[name] for known in own if name in known]
            shares.append(max(map(values.count, values)) / len(values))
        means.append(sum(shares) / len(shares))
    return sum(means) / len(means)


def mean_accuracy(reader: AttributeReader, examples: AttributeExamples, *, damage: float = 0.0) -> float:
    """Return the mean over categories of the mean over their attributes."""
    table = accuracies(read_examples(reader, examples, damage=damage), examples)
    return sum(sum(names.values()) / len(names) for names in table.values()) / len(table)
