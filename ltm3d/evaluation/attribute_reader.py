"""Tell an object's category and attributes from its geometry alone, by pictures of its surface points.

Along each axis the points make three pictures: how dense they lie (an X-ray, which shows what is hidden, too),
and how far the surface comes towards either side. Points are drawn by area, so no triangulation shows in them. Three
small convolutional towers look at the three axes; positions stay, as the frame is known. One linear map gives the
logits of the category and of every category's attributes.

Letters: B shapes, P points, R pixels a side, K logits of all heads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ltm3d.errors import ConfigError
from ltm3d.evaluation.reading import Reading
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.surface_points import sample_surface
from ltm3d.nn.weights import CONFIG_FILE, load_config, load_weights, save_model
from ltm3d.settings import convert

NUM_CHANNELS = 3  # of the pictures of one axis: density, reach towards +, reach towards -
EMPTY = -1.0  # reach of a pixel without points: the far end of the frame
Vocabulary = Mapping[str, Mapping[str, tuple[str, ...]]]  # category → attribute → values


@dataclass(frozen=True, kw_only=True)
class AttributeReaderConfig:
    """Sizes of the reader.

    Attributes:
        num_points: surface points a shape.
        resolution: pixels a side of each picture.
        width: channels of the first convolution; each of the three has twice those of the one before.
    """

    num_points: int = 8192
    resolution: int = 48
    width: int = 16
    hidden_dim: int = 256

    def __post_init__(self) -> None:
        for name, least in (("num_points", 256), ("resolution", 16), ("width", 4), ("hidden_dim", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        if self.resolution % 8:
            raise ConfigError(f"resolution is {self.resolution}; it must be a multiple of 8, of three halvings")
        if self.width % 4:
            raise ConfigError(f"width is {self.width}; it must be a multiple of 4, the normalised groups")


def make_pictures(
    points: Float[Tensor, "B P 3"], kept: Bool[Tensor, "B P"], *, resolution: int
) -> Float[Tensor, "B 9 R R"]:
    """Draw the pictures along x, y and z, three channels each.

    Args:
        points: in the normalised frame; what lies outside [-1, 1]^3 is drawn at its edge.
        kept: which points are there at all.
    """
    num_shapes, num_pixels = len(points), resolution * resolution
    pixels = ((points + 1) * (resolution / 2)).long().clamp(0, resolution - 1)
    shape = torch.arange(num_shapes)[:, None] * num_pixels
    weight = kept / kept.sum(dim=1, keepdim=True).clamp(min=1) * num_pixels
    pictures = []
    for axis in range(3):
        row, column = [other for other in range(3) if other != axis]
        place = (shape + pixels[..., row] * resolution + pixels[..., column]).flatten()
        density = torch.zeros(num_shapes * num_pixels).index_add_(0, place, weight.flatten())
        pictures.append(torch.log1p(density))
        for sign in (1.0, -1.0):
            reach = torch.where(kept, sign * points[..., axis], EMPTY).flatten()
            far = torch.full((num_shapes * num_pixels,), EMPTY)
            pictures.append(far.scatter_reduce_(0, place, reach, "amax"))
    return torch.stack([picture.view(num_shapes, resolution, resolution) for picture in pictures], dim=1)


class AttributeReader(nn.Module):
    """Three towers over the axes' pictures, one hidden layer, one head for the category and one an attribute."""

    def __init__(self, config: AttributeReaderConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.config = config
        self.vocabulary = {  # sorted, as JSON hands it back: the order of the heads
            category: {name: tuple(values) for name, values in sorted(heads.items())}
            for category, heads in sorted(vocabulary.items())
        }
        self.categories = tuple(self.vocabulary)
        self.places: dict[str, dict[str, slice]] = {}  # of an attribute's logits
        end = len(self.categories)
        for category, heads in self.vocabulary.items():
            self.places[category] = {}
            for name, values in heads.items():
                self.places[category][name] = slice(end, end + len(values))
                end += len(values)
        self.towers = nn.ModuleList(_tower(config.width) for _ in range(3))
        features = 3 * 4 * config.width * (config.resolution // 8) ** 2
        self.hidden = nn.Sequential(nn.Dropout(0.2), nn.Linear(features, config.hidden_dim), nn.GELU(), nn.Dropout(0.2))
        self.heads = nn.Linear(config.hidden_dim, end)

    def forward(self, pictures: Float[Tensor, "B 9 R R"]) -> Float[Tensor, "B K"]:
        """Return the logits of all heads, the categories' first."""
        seen = [tower(part) for tower, part in zip(self.towers, pictures.split(NUM_CHANNELS, dim=1), strict=True)]
        return self.heads(self.hidden(torch.cat([each.flatten(1) for each in seen], dim=1)))

    def read(self, mesh: Mesh) -> Reading:
        """Read one shape in the normalised frame; the points are drawn with a fixed seed.

        Raises:
            AssetError: `no_surface`, the mesh has no area.
        """
        samples = sample_surface(mesh, self.config.num_points, np.random.default_rng(0))
        return self.read_points(torch.from_numpy(samples.points)[None])[0]

    @torch.no_grad()
    def read_points(self, points: Float[Tensor, "B P 3"], kept: Bool[Tensor, "B P"] | None = None) -> list[Reading]:
        """Read shapes given by surface points."""
        was_training = self.training
        self.eval()
        kept = torch.ones(points.shape[:2], dtype=torch.bool) if kept is None else kept
        logits = self(make_pictures(points, kept, resolution=self.config.resolution))
        self.train(was_training)
        return [self._answer(row) for row in logits]

    def _answer(self, logits: Float[Tensor, " K"]) -> Reading:
        category = self.categories[int(logits[: len(self.categories)].argmax())]
        heads = self.vocabulary[category]
        return Reading(
            category,
            {name: heads[name][int(logits[place].argmax())] for name, place in self.places[category].items()},
        )

    def loss(
        self, logits: Float[Tensor, "B K"], categories: Sequence[str], attributes: Sequence[Mapping[str, str]]
    ) -> Float[Tensor, ""]:
        """Return the cross entropy of the category plus the mean of those of its own visible attributes.

        Args:
            attributes: those to learn from, by name; a category's others are left out.
        """
        labels = torch.tensor([self.categories.index(category) for category in categories])
        loss = F.cross_entropy(logits[:, : len(self.categories)], labels)
        total, count = logits.new_zeros(()), 0
        for category, heads in self.vocabulary.items():
            for name, values in heads.items():
                rows = [row for row, own in enumerate(categories) if own == category and name in attributes[row]]
                if rows:
                    targets = torch.tensor([values.index(attributes[row][name]) for row in rows])
                    part = logits[rows, self.places[category][name]]
                    total = total + F.cross_entropy(part, targets, reduction="sum")
                    count += len(rows)
        return loss + total / max(count, 1)

    def save(self, folder: Path) -> None:
        """Write the weights, and the JSON that says how to build the reader."""
        save_model(folder, self, {"reader": asdict(self.config), "vocabulary": self.vocabulary})

    @classmethod
    def load(cls, folder: Path) -> "AttributeReader":
        """Read a reader's folder.

        Raises:
            ModelError: it holds no reader, or one whose weights do not fit.
        """
        document = load_config(folder)
        config = convert(document["reader"], AttributeReaderConfig, str(folder / CONFIG_FILE))
        reader = cls(config, document["vocabulary"])
        load_weights(reader, folder)
        return reader.eval()


def _tower(width: int) -> nn.Sequential:
    """Make three strided convolutions: [B, 3, R, R] → [B, 4 width, R / 8, R / 8]."""
    layers: list[nn.Module] = []
    before = NUM_CHANNELS
    for channels in (width, 2 * width, 4 * width):
        layers += [nn.Conv2d(before, channels, 4, stride=2, padding=1), nn.GroupNorm(4, channels), nn.GELU()]
        before = channels
    return nn.Sequential(*layers)
