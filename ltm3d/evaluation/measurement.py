"""Measure all that was made for one test asset; a plain function, so that workers can share the assets out."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import torch
from jaxtyping import Float

from ltm3d.errors import AssetError, ConfigError
from ltm3d.evaluation.cost import Cost
from ltm3d.evaluation.fidelity import PROTOCOL, shape_metrics, truth_of
from ltm3d.evaluation.prompt_alignment import AlignmentConfig
from ltm3d.evaluation.reading import Reading, ReadsAttributes
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.signed_distance import SignedDistance
from ltm3d.shards.index import IndexEntry
from ltm3d.shards.read import ShardSet
from ltm3d.tokenizers.shape import Shape
from ltm3d.tokenizers.tokenizer import DecodeConfig, Precision, Tokenizer

logger = logging.getLogger(__name__)

# L tokens, D token channels, Q queries


class MapAssets(Protocol):
    """Apply a picklable function to each asset's work; results in order."""

    def __call__(self, function: Callable[[Any], Any], work: Sequence[Any], /) -> list[Any]: ...


def map_here(function: Callable[[Any], Any], work: Sequence[Any], /) -> list[Any]:
    """Work in this process, one asset after the other."""
    return [function(asset) for asset in work]


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """How shapes are measured.

    Attributes:
        num_test_assets: only the first so many of the test split, by the hash of their uid, are measured; 0 = all.
        num_points: surface points of each shape.
        resolution: cells an axis of the extraction grid of the baselines; the samples have their own.
        baselines: measure retrieval, LTR, category mean and round trip, too.
        num_cloud_points: of a decoded cloud, likewise.
        sets: `cd`, set metrics by Chamfer distance; `emd`, by the exact earth mover's distance, too, which takes a
            hundred times as long; `none`.
        num_gallery_processes: of these, how many have a sample's generation shown step by step.
        num_set_shapes: at most so many test assets in a set, categories in turn; a set costs its square.
        alignment: weights of other models that say how well a shape fits its prompt.
    """

    num_test_assets: int = 0
    num_points: int = 20_000
    thresholds: tuple[float, ...] = (0.02, 0.05)
    resolution: int = 64
    num_cloud_points: int = 2048
    num_gallery_assets: int = 14
    num_gallery_processes: int = 2
    baselines: bool = True
    sets: Literal["none", "cd", "emd"] = "cd"
    num_set_shapes: int = 70
    alignment: AlignmentConfig = field(default_factory=AlignmentConfig)

    def __post_init__(self) -> None:
        if self.num_points < 100:
            raise ConfigError(f"num_points is {self.num_points}; it must be at least 100")
        limits = {"num_test_assets": 0, "num_gallery_assets": 1, "num_gallery_processes": 0, "num_set_shapes": 2}
        for name, least in limits.items():
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        _ = self.decode

    @property
    def protocol(self) -> str:
        """What metrics are labelled with: those of a part of the test split are not compared with those of all."""
        return f"{PROTOCOL}-short" if self.num_test_assets else PROTOCOL

    def chosen(self, entries: Sequence[IndexEntry]) -> list[IndexEntry]:
        """Return the test assets that are measured, in their order."""
        first = sorted(entries, key=lambda entry: hashlib.sha256(entry.uid.encode()).hexdigest())
        kept = {entry.uid for entry in first[: self.num_test_assets or None]}
        return [entry for entry in entries if entry.uid in kept]

    @property
    def decode(self) -> DecodeConfig:
        """How the baselines' tokens become shapes."""
        return DecodeConfig(resolution=self.resolution, num_points=self.num_cloud_points)


@dataclass(frozen=True)
class Candidate:
    """A shape to measure: a shape with its tokens, one alone, tokens to decode, or neither: a sample that failed.

    Attributes:
        precision: that a shape was decoded in from its tokens, so that its volume is the same field's.
    """

    method: str
    prompt: str
    shape: Shape | None = None
    tokens: Float[torch.Tensor, "L D"] | None = None
    precision: Precision = "fp32"


@dataclass(frozen=True)
class AssetWork:
    """A test asset and what to measure against it.

    Attributes:
        volume: rows of [x, y, z, signed distance]; None where the representation has no volume.
    """

    uid: str
    mesh: Mesh
    volume: Float[np.ndarray, "Q 4"] | None
    candidates: Sequence[Candidate]


@dataclass(frozen=True)
class Measured:
    """The metrics of one candidate; a failure is one without a surface.

    Attributes:
        reading: None without a surface, or without a reader.
        cost: of its decoding, where that is measured.
    """

    metrics: dict[str, float]
    is_failure: bool
    reading: Reading | None = None
    cost: Cost | None = None


def volume_of(targets: ShardSet, index: int) -> Float[np.ndarray, "Q 4"] | None:
    """Read an asset's queries with their distances, where its target has some."""
    return np.asarray(targets.get("volume", index), np.float32) if "volume" in targets.fields else None


def measure_asset(
    work: AssetWork,
    *,
    tokenizer: Tokenizer,
    config: EvaluationConfig,
    seed: int,
    reader: ReadsAttributes | None = None,
) -> list[Measured]:
    """Measure each candidate against the true shape, and read a mesh's attributes where there is a reader."""
    queries = None if work.volume is None else np.ascontiguousarray(work.volume[:, :3])
    inside = None if work.volume is None else work.volume[:, 3] < 0
    truth = truth_of(work.mesh, inside=inside, num_points=config.num_points, seed=seed)
    results = []
    for candidate in work.candidates:
        shape, candidate_inside = candidate.shape, None
        if candidate.tokens is not None and shape is None:
            shape = decode_or_none(tokenizer, candidate.tokens, config.decode)
        if queries is not None and candidate.tokens is not None:
            candidate_inside = tokenizer.inside(candidate.tokens, queries, precision=candidate.precision)
        elif queries is not None and isinstance(shape, Mesh):
            candidate_inside = SignedDistance(shape)(queries) < 0
        metrics = shape_metrics(
            truth, shape, candidate_inside, thresholds=config.thresholds, num_points=config.num_points, seed=seed
        )
        reading = reader.read(shape) if reader is not None and isinstance(shape, Mesh) else None
        results.append(Measured(metrics, shape is None, reading))
    return results


def decode_or_none(tokenizer: Tokenizer, tokens: torch.Tensor, config: DecodeConfig) -> Shape | None:
    """Decode tokens; None where there is no shape in them, and the log says what is."""
    try:
        return tokenizer.decode_shape(tokens, config)
    except AssetError as error:
        logger.warning("tokens without a shape: %s", error)
        return None
