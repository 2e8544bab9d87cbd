"""Measure a generator and its baselines on the test split (eval/v1, "Conditional generation")."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float

from ltm3d.errors import AssetError, ConfigError, DataError
from ltm3d.evaluation.baselines import category_means, retrieve
from ltm3d.evaluation.fidelity import Truth, shape_figures, truth_of
from ltm3d.evaluation.table import Scores
from ltm3d.generator.prefix import Condition
from ltm3d.generator.shape_models import ShapeModels
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.signed_distance import SignedDistance
from ltm3d.shards.index import IndexEntry
from ltm3d.shards.meshes import MeshSet
from ltm3d.shards.read import Shard, ShardSet, list_shards
from ltm3d.tokenizers.decoding import TokenField, decode_mesh


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """How shapes are measured.

    Attributes:
        num_points: surface points of each shape.
        resolution: cells an axis of the extraction grid of the baselines; the samples have their own.
    """

    num_points: int = 20_000
    thresholds: tuple[float, ...] = (0.02, 0.05)
    resolution: int = 64
    num_gallery_assets: int = 14

    def __post_init__(self) -> None:
        if self.num_points < 100:
            raise ConfigError(f"num_points is {self.num_points}; it must be at least 100")
        if self.num_gallery_assets < 1:
            raise ConfigError(f"num_gallery_assets is {self.num_gallery_assets}; it must be at least 1")


@dataclass(frozen=True)
class TestAsset:
    """One test shape with all that is compared with it."""

    __test__ = False

    entry: IndexEntry
    mesh: Mesh
    truth: Truth
    tokens: Float[torch.Tensor, "L D"]


@dataclass
class GenerationData:
    """The folders an evaluation reads, opened for the assets it needs."""

    data: Path
    representation: str
    entries: list[IndexEntry]
    config: EvaluationConfig
    seed: int
    samples: dict[tuple[str, str], list[tuple[Mesh, np.ndarray]]] = field(init=False)
    counts: dict[tuple[str, str], int] = field(init=False)

    def __post_init__(self) -> None:
        self.samples, self.counts = _read_samples(list_shards(self.data / "samples" / self.representation))
        if not self.counts:
            raise DataError(
                f"{self.data / 'samples' / self.representation} holds no sample; run sample_shapes (dvc repro)"
            )

    def of_split(self, split: str) -> list[IndexEntry]:
        """List the assets of a split."""
        return [entry for entry in self.entries if entry.split == split]

    def set_of(self, folder: str, entries: Sequence[IndexEntry]) -> ShardSet:
        """Open the shards of a stage for some assets."""
        return ShardSet(self.data / folder, [entry.uid for entry in entries])

    def meshes(self, entries: Sequence[IndexEntry]) -> MeshSet:
        """Open the true meshes of some assets."""
        return MeshSet(self.set_of("meshes", entries))

    def test_assets(self) -> list[TestAsset]:
        """Open the test split."""
        entries = self.of_split("test")
        volumes = self.set_of(f"targets/{self.representation}", entries)
        tokens = self.set_of(f"tokens/{self.representation}", entries)
        assets = []
        for index, (entry, mesh) in enumerate(zip(entries, self.meshes(entries), strict=True)):
            volume = np.asarray(volumes.get("volume", index), np.float32)
            truth = truth_of(
                mesh,
                queries=np.ascontiguousarray(volume[:, :3]),
                inside=volume[:, 3] < 0,
                num_points=self.config.num_points,
                seed=self.seed,
            )
            assets.append(TestAsset(entry, mesh, truth, torch.from_numpy(np.array(tokens.get("mean", index)))))
        return assets


def _read_samples(
    shards: Sequence[Shard],
) -> tuple[dict[tuple[str, str], list[tuple[Mesh, np.ndarray]]], dict[tuple[str, str], int]]:
    """Group samples and count failures by (uid, prompt)."""
    samples: dict[tuple[str, str], list[tuple[Mesh, np.ndarray]]] = {}
    failures: dict[tuple[str, str], int] = {}
    for shard in shards:
        for index, record in enumerate(shard.records):
            key = (record["uid"], record["prompt"])
            mesh = Mesh(vertices=np.array(shard["vertices"][index]), faces=np.array(shard["faces"][index]))
            samples.setdefault(key, []).append((mesh, np.array(shard["tokens"][index])))
            failures.setdefault(key, 0)
        for reject in shard.rejects:
            uid, prompt, _ = reject.uid.rsplit("-", 2)
            samples.setdefault((uid, prompt), [])
            failures[uid, prompt] = failures.get((uid, prompt), 0) + 1
    return samples, failures


class Evaluator:
    """Measures every method on every test asset."""

    def __init__(self, data: GenerationData, models: ShapeModels) -> None:
        self.data = data
        self.models = models
        self.assets = data.test_assets()
        self.prompts = [prompt for prompt in ("image", "text", "both") if any(key[1] == prompt for key in data.counts)]

    def scores(self, *, view: int) -> list[Scores]:
        """Measure generated shapes, the baselines and the round trip.

        Args:
            view: the rendered view that was the image prompt.
        """
        rows: list[Scores] = []
        for prompt in self.prompts:
            rows += [self._generated(prompt), self._retrieval(prompt, view), self._reconstructed(prompt, view)]
        return [*rows, *self._unprompted()]

    def _generated(self, prompt: str) -> Scores:
        scores = Scores("generated", prompt)
        for asset in self.assets:
            key = (asset.entry.uid, prompt)
            figures = [
                self._measure_tokens(asset, torch.from_numpy(tokens), mesh) for mesh, tokens in self.data.samples[key]
            ]
            failures = self.data.counts[key]
            scores.add(asset.entry.uid, figures + [self._measure(asset, None, None)] * failures, failures=failures)
        return scores

    def _retrieval(self, prompt: str, view: int) -> Scores:
        train = self.data.of_split("train")
        train_set, test_set = (
            self.data.set_of("conditions", entries) for entries in (train, self.data.of_split("test"))
        )
        found = retrieve(
            prompt,
            test_images=_stack(test_set, "image_embedding")[:, view],
            test_texts=_stack(test_set, "text_embedding"),
            train_images=_stack(train_set, "image_embedding"),
            train_texts=_stack(train_set, "text_embedding"),
        )
        scores = Scores("retrieval", prompt)
        meshes = self.data.meshes([train[index] for index in found])
        for asset, mesh in zip(self.assets, meshes, strict=True):
            inside = SignedDistance(mesh)(asset.truth.queries) < 0
            scores.add(asset.entry.uid, [self._measure(asset, mesh, inside)])
        return scores

    def _reconstructed(self, prompt: str, view: int) -> Scores:
        conditions = self.data.set_of("conditions", self.data.of_split("test"))
        num_assets = len(conditions)
        condition = Condition(
            torch.from_numpy(_stack(conditions, "image_tokens")[:, view].astype(np.float32)),
            torch.from_numpy(_stack(conditions, "text_tokens").astype(np.float32)),
            torch.from_numpy(_stack(conditions, "text_mask")),
            has_image=torch.full((num_assets,), prompt != "text"),
            has_text=torch.full((num_assets,), prompt != "image"),
        )
        guessed = self.models.tokenizer.denormalize(self.models.reconstruct(condition))
        return self._decoded("reconstruction_module", prompt, list(guessed))

    def _unprompted(self) -> list[Scores]:
        train = self.data.of_split("train")
        latents = _stack(self.data.set_of(f"tokens/{self.data.representation}", train), "mean")
        means = category_means(latents, [entry.category for entry in train])
        overall = latents.mean(axis=0)
        category_mean = [torch.from_numpy(means.get(asset.entry.category, overall)) for asset in self.assets]
        return [
            self._decoded("category_mean", "none", category_mean),
            self._decoded("round_trip", "none", [asset.tokens for asset in self.assets]),
        ]

    def _decoded(self, method: str, prompt: str, tokens: Sequence[torch.Tensor]) -> Scores:
        scores = Scores(method, prompt)
        for asset, row in zip(self.assets, tokens, strict=True):
            try:
                mesh = decode_mesh(self.models.tokenizer, row, resolution=self.data.config.resolution)
            except AssetError:
                scores.add(asset.entry.uid, [self._measure(asset, None, None)], failures=1)
                continue
            scores.add(asset.entry.uid, [self._measure_tokens(asset, row, mesh)])
        return scores

    def _measure_tokens(self, asset: TestAsset, tokens: torch.Tensor, mesh: Mesh) -> dict[str, float]:
        return self._measure(asset, mesh, TokenField(self.models.tokenizer, tokens)(asset.truth.queries) < 0)

    def _measure(self, asset: TestAsset, mesh: Mesh | None, inside: Bool[np.ndarray, " Q"] | None) -> dict[str, float]:
        config = self.data.config
        return shape_figures(
            asset.truth, mesh, inside, thresholds=config.thresholds, num_points=config.num_points, seed=self.data.seed
        )


def _stack(shards: ShardSet, name: str) -> np.ndarray:
    return np.stack([np.asarray(shards.get(name, index)) for index in range(len(shards))])
