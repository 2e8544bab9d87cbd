"""Measure a tokenizer on the test split, beside its ceiling (eval/v1, "Reconstruction")."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float

from ltm3d.errors import ConfigError
from ltm3d.evaluation.fidelity import shape_figures, truth_of
from ltm3d.evaluation.fields import measure_field
from ltm3d.evaluation.measurement import MapAssets, Measured, decode_or_none, map_here
from ltm3d.evaluation.table import Scores
from ltm3d.geometry.mesh import Mesh
from ltm3d.tokenizers.sdf import SdfTokenizer
from ltm3d.tokenizers.shape import Shape
from ltm3d.tokenizers.tokenizer import DecodeConfig, Tokenizer


@dataclass(frozen=True, kw_only=True)
class ReconstructionConfig:
    """How reconstructions are measured.

    Attributes:
        resolutions: cells an axis of the extraction grids of a field; each gives its own figures.
        num_points: surface points of each mesh.
        num_cloud_points: of a decoded cloud.
        num_queries: uniform queries of the volume IoU, and as many near the surface.
        near_std: standard deviation of the near queries' offsets, normalised units.
    """

    resolutions: tuple[int, ...] = (128,)
    num_points: int = 100_000
    num_cloud_points: int = 8192
    num_queries: int = 50_000
    near_std: float = 0.05
    thresholds: tuple[float, ...] = (0.01, 0.02, 0.05)

    def __post_init__(self) -> None:
        if not self.resolutions or min(self.resolutions) < 8:
            raise ConfigError(f"resolutions are {self.resolutions}; give one or more of at least 8")
        if self.num_cloud_points < 1:
            raise ConfigError(f"num_cloud_points is {self.num_cloud_points}; it must be at least 1")


@dataclass(frozen=True)
class Encoded:
    """A test asset: its true mesh, its tokens, not normalised, and the shape that its target stands for, if any."""

    uid: str
    mesh: Mesh
    tokens: Float[torch.Tensor, "L D"]
    target: Shape | None = None


def measure_reconstructions(
    tokenizer: Tokenizer,
    assets: Sequence[Encoded],
    *,
    config: ReconstructionConfig,
    seed: int,
    map_assets: MapAssets = map_here,
) -> list[Scores]:
    """Measure decoded tokens and, as the ceiling, the target itself in the same way."""
    measure = partial(measure_encoded, tokenizer=tokenizer, config=config, seed=seed)
    rows: dict[tuple[str, str], Scores] = {}
    for asset, measured in zip(assets, map_assets(measure, assets), strict=True):
        for key, result in measured.items():
            row = rows.setdefault(key, Scores(*key))
            row.add(asset.uid, [result.figures], failures=int(result.is_failure))
    return list(rows.values())


def measure_encoded(
    asset: Encoded, *, tokenizer: Tokenizer, config: ReconstructionConfig, seed: int
) -> dict[tuple[str, str], Measured]:
    """Measure one asset; the keys are `round_trip` or `ceiling`, with the grid where the tokens are a field's."""
    if isinstance(tokenizer, SdfTokenizer):
        return measure_field(
            asset.mesh,
            tokenizer.decode_field(asset.tokens),
            resolutions=config.resolutions,
            num_points=config.num_points,
            num_queries=config.num_queries,
            near_std=config.near_std,
            thresholds=config.thresholds,
            seed=seed,
        )
    decode = DecodeConfig(num_points=config.num_cloud_points, seed=seed)
    shapes = {"round_trip": decode_or_none(tokenizer, asset.tokens, decode)}
    if asset.target is not None:
        shapes["ceiling"] = asset.target
    truth = truth_of(asset.mesh, num_points=config.num_points, seed=seed)
    results = {}
    for method, shape in shapes.items():
        figures = shape_figures(
            truth, shape, None, thresholds=config.thresholds, num_points=config.num_points, seed=seed
        )
        results[method, "all"] = Measured(figures, shape is None)
    return results
