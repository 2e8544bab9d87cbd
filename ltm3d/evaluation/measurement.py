"""Measure all that was made for one test asset; a plain function, so that workers can share the assets out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float

from ltm3d.errors import AssetError, ConfigError
from ltm3d.evaluation.fidelity import shape_figures, truth_of
from ltm3d.evaluation.reading import Reading, ReadsAttributes
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.signed_distance import SignedDistance
from ltm3d.tokenizers.decoding import TokenField, decode_mesh
from ltm3d.tokenizers.sdf import SdfTokenizer

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
class Candidate:
    """A shape to measure: a mesh with its tokens, a mesh alone, tokens to decode, or neither: a sample that failed."""

    method: str
    prompt: str
    mesh: Mesh | None = None
    tokens: Float[torch.Tensor, "L D"] | None = None


@dataclass(frozen=True)
class AssetWork:
    """A test asset and what to measure against it; `volume` holds [x, y, z, signed distance] rows."""

    uid: str
    mesh: Mesh
    volume: Float[np.ndarray, "Q 4"]
    candidates: Sequence[Candidate]


@dataclass(frozen=True)
class Measured:
    """The figures of one candidate; a failure is one without a surface. `reading` is None then, or without a reader."""

    figures: dict[str, float]
    is_failure: bool
    reading: Reading | None = None


def measure_asset(
    work: AssetWork,
    *,
    tokenizer: SdfTokenizer,
    config: EvaluationConfig,
    seed: int,
    reader: ReadsAttributes | None = None,
) -> list[Measured]:
    """Measure each candidate against the true shape, and read its attributes where there is a reader."""
    queries = np.ascontiguousarray(work.volume[:, :3])
    inside = work.volume[:, 3] < 0
    truth = truth_of(work.mesh, queries=queries, inside=inside, num_points=config.num_points, seed=seed)
    results = []
    for candidate in work.candidates:
        mesh, candidate_inside = candidate.mesh, None
        if candidate.tokens is not None:
            if mesh is None:
                mesh = _decode(tokenizer, candidate.tokens, config.resolution)
            candidate_inside = TokenField(tokenizer, candidate.tokens)(queries) < 0
        elif mesh is not None:
            candidate_inside = SignedDistance(mesh)(queries) < 0
        figures = shape_figures(
            truth, mesh, candidate_inside, thresholds=config.thresholds, num_points=config.num_points, seed=seed
        )
        reading = None if reader is None or mesh is None else reader.read(mesh)
        results.append(Measured(figures, mesh is None, reading))
    return results


def _decode(tokenizer: SdfTokenizer, tokens: torch.Tensor, resolution: int) -> Mesh | None:
    try:
        return decode_mesh(tokenizer, tokens, resolution=resolution)
    except AssetError:
        return None
