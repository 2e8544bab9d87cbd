"""Measure a generator and its baselines on the test split (eval/v1, "Conditional generation")."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from ltm3d.errors import DataError
from ltm3d.evaluation.baselines import category_means, retrieve
from ltm3d.evaluation.measurement import (
    AssetWork,
    Candidate,
    EvaluationConfig,
    MapAssets,
    Measured,
    map_here,
    measure_asset,
    volume_of,
)
from ltm3d.evaluation.metrics_table import Scores
from ltm3d.evaluation.prompt_alignment import AlignmentWork
from ltm3d.evaluation.reading import MethodReadings, ReadsAttributes
from ltm3d.evaluation.set_metrics import first_samples
from ltm3d.generator.ltr import LTR
from ltm3d.generator.prefix import Condition
from ltm3d.geometry.mesh import Mesh
from ltm3d.shards.index import IndexEntry
from ltm3d.shards.meshes import MeshSet
from ltm3d.shards.read import Shard, ShardSet, list_shards
from ltm3d.tokenizers.shape import Shape, from_arrays
from ltm3d.tokenizers.tokenizer import Precision, Tokenizer

Samples = dict[tuple[str, str], list[tuple[Shape, np.ndarray]]]  # (uid, prompt) → shapes with their tokens


@dataclass
class GenerationData:
    """The folders an evaluation reads, opened for the assets it needs.

    Attributes:
        precision: that the samples were decoded in.
    """

    data: Path
    representation: str
    entries: list[IndexEntry]
    config: EvaluationConfig
    seed: int
    precision: Precision = "fp32"
    samples: Samples = field(init=False)
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


def _read_samples(
    shards: Sequence[Shard],
) -> tuple[Samples, dict[tuple[str, str], int]]:
    """Group samples and count failures by (uid, prompt)."""
    samples: Samples = {}
    failures: dict[tuple[str, str], int] = {}
    for shard in shards:
        for index, record in enumerate(shard.records):
            key = (record["uid"], record["prompt"])
            shape = from_arrays({name: shard[name][index] for name in shard.fields})
            samples.setdefault(key, []).append((shape, np.array(shard["tokens"][index])))
            failures.setdefault(key, 0)
        for reject in shard.rejects:
            uid, prompt, _ = reject.uid.rsplit("-", 2)
            samples.setdefault((uid, prompt), [])
            failures[uid, prompt] = failures.get((uid, prompt), 0) + 1
    return samples, failures


class Evaluator:
    """Measures every method on every test asset."""

    def __init__(
        self,
        data: GenerationData,
        tokenizer: Tokenizer,
        ltr: LTR,
        reader: ReadsAttributes | None = None,
    ) -> None:
        self.data = data
        self.tokenizer = tokenizer
        self.ltr = ltr
        self.reader = reader
        self.readings: MethodReadings = {}  # filled by `scores`
        self.found: dict[tuple[str, int], list[Mesh]] = {}  # what retrieval finds, by prompt and view
        self.entries = data.config.chosen(data.of_split("test"))
        self.meshes = data.meshes(self.entries)
        self.prompts = [prompt for prompt in ("image", "text", "both") if any(key[1] == prompt for key in data.counts)]

    def scores(self, *, view: int, map_assets: MapAssets = map_here) -> list[Scores]:
        """Measure generated shapes, the baselines and the round trip.

        Args:
            view: the rendered view that was the image prompt.
            map_assets: how the assets are measured: here one by one, or over workers.
        """
        by_asset = self._candidates(view)
        volumes = self.data.set_of(f"targets/{self.data.representation}", self.entries)
        work = [
            AssetWork(entry.uid, self.meshes[index], volume_of(volumes, index), candidates)
            for index, (entry, candidates) in enumerate(zip(self.entries, by_asset, strict=True))
        ]
        measure = partial(
            measure_asset,
            tokenizer=self.tokenizer,
            config=self.data.config,
            seed=self.data.seed,
            reader=self.reader,
        )
        rows = {(each.method, each.prompt): Scores(each.method, each.prompt) for each in by_asset[0]}
        for asset, measured in zip(work, map_assets(measure, work), strict=True):
            groups: dict[tuple[str, str], list[Measured]] = defaultdict(list)
            for candidate, result in zip(asset.candidates, measured, strict=True):
                groups[candidate.method, candidate.prompt].append(result)
            for key, results in groups.items():
                failures = sum(result.is_failure for result in results)
                rows[key].add(asset.uid, [result.metrics for result in results], failures=failures)
                if self.reader is not None:
                    self.readings.setdefault(key, {})[asset.uid] = [result.reading for result in results]
        return list(rows.values())

    def shape_sets(self, entries: Sequence[IndexEntry], *, view: int) -> dict[str, list[Shape | None]]:
        """List what the set metrics compare: `prompt/method` → one shape for each of some test assets, None = empty."""
        first = first_samples(self.data.data / "samples" / self.data.representation)
        places = {entry.uid: index for index, entry in enumerate(self.entries)}
        sets: dict[str, list[Shape | None]] = {}
        for prompt in self.prompts:
            sets[f"{prompt}/generated"] = [first[entry.uid, prompt] for entry in entries]
            if self.data.config.baselines:
                retrieved = self._retrieved(prompt, view)
                sets[f"{prompt}/retrieval"] = [retrieved[places[entry.uid]] for entry in entries]
        return sets

    def alignment_work(self, *, view: int) -> list[AlignmentWork]:
        """List each test asset with all samples of each prompt, and what retrieval finds for it."""
        retrieved = {prompt: self._retrieved(prompt, view) for prompt in self.prompts if self.data.config.baselines}
        work = []
        for index, entry in enumerate(self.entries):
            shapes: dict[str, list[Shape | None]] = {}
            for prompt in self.prompts:
                key = (entry.uid, prompt)
                made = [shape for shape, _ in self.data.samples[key]]
                shapes[f"{prompt}/generated"] = [*made, *[None] * self.data.counts[key]]
                if prompt in retrieved:
                    shapes[f"{prompt}/retrieval"] = [retrieved[prompt][index]]
            work.append(AlignmentWork(entry.uid, entry.caption, self.meshes[index], shapes))
        return work

    def reference_hashes(self) -> dict[str, str]:
        """Return what the metrics hang on beside the shapes: hashes of the true shapes, and of retrieval's choices."""
        true = [
            f"{entry.uid} {hashlib.sha256(mesh.vertices.tobytes() + mesh.faces.tobytes()).hexdigest()}"
            for entry, mesh in zip(self.entries, self.meshes, strict=True)
        ]
        train = [entry.uid for entry in self.data.of_split("train")]
        return {"references_sha256": _hash_lines(true), "retrieval_ids_sha256": _hash_lines(train)}

    def _candidates(self, view: int) -> list[list[Candidate]]:
        """List for each test asset all shapes to measure, in the table's order."""
        candidates: list[list[Candidate]] = [[] for _ in self.entries]
        for prompt in self.prompts:
            for entry, own in zip(self.entries, candidates, strict=True):
                key = (entry.uid, prompt)
                own += [
                    Candidate("generated", prompt, shape, torch.from_numpy(tokens), self.data.precision)
                    for shape, tokens in self.data.samples[key]
                ]
                own += [Candidate("generated", prompt)] * self.data.counts[key]
            if not self.data.config.baselines:
                continue
            retrieved, guessed = self._retrieved(prompt, view), self._guessed(prompt, view)
            for found, guess, own in zip(retrieved, guessed, candidates, strict=True):
                own += [
                    Candidate("retrieval", prompt, found),
                    Candidate("ltr", prompt, tokens=guess),
                ]
        if not self.data.config.baselines:
            return candidates
        rest = zip(candidates, self._category_means(), self._tokens(self.entries), self.meshes, strict=True)
        for own, mean, tokens, mesh in rest:
            own += [
                Candidate("category_mean", "none", tokens=torch.from_numpy(mean)),
                Candidate("round_trip", "none", tokens=torch.from_numpy(tokens)),
                Candidate("true_mesh", "none", mesh),  # the reader's ceiling, and the distances' floor
            ]
        return candidates

    def _retrieved(self, prompt: str, view: int) -> list[Mesh]:
        if (prompt, view) not in self.found:
            train, (train_images, train_texts) = self.data.of_split("train"), self._train_embeddings
            test_set = self.data.set_of("conditions", self.entries)
            found = retrieve(
                prompt,
                test_images=_stack(test_set, "image_embedding")[:, view],
                test_texts=_stack(test_set, "text_embedding"),
                train_images=train_images,
                train_texts=train_texts,
            )
            self.found[prompt, view] = list(self.data.meshes([train[index] for index in found]))
        return self.found[prompt, view]

    @cached_property
    def _train_embeddings(self) -> tuple[np.ndarray, np.ndarray]:
        train_set = self.data.set_of("conditions", self.data.of_split("train"))
        return _stack(train_set, "image_embedding"), _stack(train_set, "text_embedding")

    def _guessed(self, prompt: str, view: int) -> Float[torch.Tensor, "N L D"]:
        conditions = self.data.set_of("conditions", self.entries)
        num_assets = len(conditions)
        condition = Condition(
            torch.from_numpy(_stack(conditions, "image_tokens")[:, view].astype(np.float32)),
            torch.from_numpy(_stack(conditions, "text_tokens").astype(np.float32)),
            torch.from_numpy(_stack(conditions, "text_mask")),
            has_image=torch.full((num_assets,), prompt != "text"),
            has_text=torch.full((num_assets,), prompt != "image"),
        )
        with torch.no_grad():
            return self.tokenizer.denormalize(self.ltr(condition))

    def _category_means(self) -> list[np.ndarray]:
        train = self.data.of_split("train")
        latents = self._tokens(train)
        means, overall = category_means(latents, [entry.category for entry in train]), latents.mean(axis=0)
        return [means.get(entry.category, overall) for entry in self.entries]

    def _tokens(self, entries: Sequence[IndexEntry]) -> Float[np.ndarray, "N L D"]:
        return _stack(self.data.set_of(f"tokens/{self.data.representation}", entries), "mean")


def _hash_lines(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _stack(shards: ShardSet, name: str) -> np.ndarray:
    return np.stack([np.asarray(shards.get(name, index)) for index in range(len(shards))])
