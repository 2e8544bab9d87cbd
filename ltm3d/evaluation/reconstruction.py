"""Measure a tokenizer on the test split, beside its ceiling (eval/v1, "Reconstruction")."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float

from ltm3d.errors import AssetError, ConfigError
from ltm3d.evaluation.fidelity import shape_figures, truth_of
from ltm3d.evaluation.measurement import MapAssets, Measured, map_here
from ltm3d.evaluation.table import Scores
from ltm3d.geometry.extraction import extract_mesh
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.sampling import sample_surface
from ltm3d.geometry.signed_distance import SignedDistance
from ltm3d.metrics.volume import iou
from ltm3d.tokenizers.decoding import TokenField
from ltm3d.tokenizers.sdf import SdfTokenizer

Field = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class ReconstructionConfig:
    """How reconstructions are measured.

    Attributes:
        resolutions: cells an axis of the extraction grids; each gives its own figures.
        num_points: surface points of each mesh.
        num_queries: uniform queries of the volume IoU, and as many near the surface.
        near_std: standard deviation of the near queries' offsets, normalised units.
    """

    resolutions: tuple[int, ...] = (128,)
    num_points: int = 100_000
    num_queries: int = 50_000
    near_std: float = 0.05
    thresholds: tuple[float, ...] = (0.01, 0.02, 0.05)

    def __post_init__(self) -> None:
        if not self.resolutions or min(self.resolutions) < 8:
            raise ConfigError(f"resolutions are {self.resolutions}; give one or more of at least 8")


@dataclass(frozen=True)
class Encoded:
    """A test asset: its true mesh and its tokens, not normalised."""

    uid: str
    mesh: Mesh
    tokens: Float[torch.Tensor, "L D"]


def measure_reconstructions(
    tokenizer: SdfTokenizer,
    assets: Sequence[Encoded],
    *,
    config: ReconstructionConfig,
    seed: int,
    map_assets: MapAssets = map_here,
) -> list[Scores]:
    """Measure decoded tokens and, as the ceiling, the true field through the same extraction."""
    measure = partial(measure_encoded, tokenizer=tokenizer, config=config, seed=seed)
    rows: dict[tuple[str, str], Scores] = {}
    for asset, measured in zip(assets, map_assets(measure, assets), strict=True):
        for key, result in measured.items():
            row = rows.setdefault(key, Scores(*key))
            row.add(asset.uid, [result.figures], failures=int(result.is_failure))
    return list(rows.values())


def measure_encoded(
    asset: Encoded, *, tokenizer: SdfTokenizer, config: ReconstructionConfig, seed: int
) -> dict[tuple[str, str], Measured]:
    """Measure one asset at each resolution; the keys are (`round_trip` or `ceiling`, resolution)."""
    rng = np.random.default_rng([seed, 2])
    volume = rng.uniform(-1, 1, (config.num_queries, 3)).astype(np.float32)
    near = sample_surface(asset.mesh, config.num_queries, rng).points
    near = np.clip(near + config.near_std * rng.standard_normal(near.shape), -1, 1).astype(np.float32)
    true_field, decoded = SignedDistance(asset.mesh), TokenField(tokenizer, asset.tokens)
    inside, near_inside = true_field(volume) < 0, true_field(near) < 0
    truth = truth_of(asset.mesh, queries=volume, inside=inside, num_points=config.num_points, seed=seed)
    methods: dict[str, tuple[Field, np.ndarray, np.ndarray]] = {
        "round_trip": (decoded, decoded(volume) < 0, decoded(near) < 0),
        "ceiling": (true_field, inside, near_inside),
    }
    results = {}
    for resolution in config.resolutions:
        for method, (field, field_inside, field_near_inside) in methods.items():
            extracted = _extract(field, resolution)
            figures = shape_figures(
                truth, extracted, field_inside, thresholds=config.thresholds, num_points=config.num_points, seed=seed
            )
            figures["near_iou"] = iou(field_near_inside, near_inside)
            results[method, f"{resolution}^3"] = Measured(figures, extracted is None)
    return results


def _extract(field: Field, resolution: int) -> Mesh | None:
    try:
        return extract_mesh(field, resolution=resolution)
    except AssetError:
        return None
