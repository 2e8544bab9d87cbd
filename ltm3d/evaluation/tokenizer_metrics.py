"""Measure a tokenizer on the test split, beside its ceiling (eval/v1, "Reconstruction")."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from ltm3d.errors import ConfigError
from ltm3d.evaluation.clouds import cloud_metrics
from ltm3d.evaluation.cost import with_cost
from ltm3d.evaluation.faces import face_metrics
from ltm3d.evaluation.fidelity import shape_metrics, truth_of
from ltm3d.evaluation.fields import measure_field
from ltm3d.evaluation.measurement import MapAssets, Measured, decode_or_none, map_here
from ltm3d.evaluation.metrics_table import Scores
from ltm3d.evaluation.splats import SKIPPED_METRICS, picture_metrics, true_pictures
from ltm3d.geometry.extraction import check_resolution
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.point_cloud import PointCloud
from ltm3d.tokenizers.field import FieldTokenizer
from ltm3d.tokenizers.gaussians import GaussiansTokenizer
from ltm3d.tokenizers.mesh import MeshTokenizer
from ltm3d.tokenizers.point_cloud import PointCloudTokenizer
from ltm3d.tokenizers.shape import Shape
from ltm3d.tokenizers.tokenizer import DecodeConfig, Tokenizer


@dataclass(frozen=True, kw_only=True)
class ReconstructionConfig:
    """How reconstructions are measured.

    Attributes:
        resolutions: cells an axis of the extraction grids of a field; each gives its own metrics.
        num_points: surface points of each mesh.
        num_cloud_points: of a decoded cloud, unless its decoder has a count of its own.
        num_views: held-out pictures of Gaussians.
        view_resolution: of these, pixels.
        num_queries: uniform queries of the volume IoU, and as many near the surface.
        near_std: standard deviation of the near queries' offsets, normalised units.
        num_gallery_assets: test assets that are shown, input beside reconstruction.
    """

    resolutions: tuple[int, ...] = (128,)
    num_points: int = 100_000
    num_cloud_points: int = 8192
    num_views: int = 8
    view_resolution: int = 128
    num_queries: int = 50_000
    near_std: float = 0.05
    thresholds: tuple[float, ...] = (0.01, 0.02, 0.05)
    num_gallery_assets: int = 14

    def __post_init__(self) -> None:
        if not self.resolutions:
            raise ConfigError("resolutions is empty; give one or more")
        for resolution in self.resolutions:
            check_resolution(resolution)
        for name in ("num_cloud_points", "num_gallery_assets"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.num_views < 1 or self.view_resolution < 16 or self.view_resolution % 4:
            raise ConfigError(
                f"num_views is {self.num_views}, view_resolution {self.view_resolution}; "
                "use at least 1, and a multiple of 4 from 16"
            )

    def decode(self, *, seed: int) -> DecodeConfig:
        """How tokens become the shapes that are measured; a field's further grids have metrics of their own."""
        return DecodeConfig(resolution=self.resolutions[0], num_points=self.num_cloud_points, seed=seed)


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
            row.add(asset.uid, [result.metrics], failures=int(result.is_failure))
            row.costs += [] if result.cost is None else [result.cost]
    return list(rows.values())


def measure_encoded(
    asset: Encoded, *, tokenizer: Tokenizer, config: ReconstructionConfig, seed: int
) -> dict[tuple[str, str], Measured]:
    """Measure one asset; the keys are `round_trip` or `ceiling`, with the grid where the tokens are a field's."""
    if isinstance(tokenizer, FieldTokenizer):
        return measure_field(
            asset.mesh,
            asset.tokens,
            tokenizer=tokenizer,
            resolutions=config.resolutions,
            num_points=config.num_points,
            num_queries=config.num_queries,
            near_std=config.near_std,
            thresholds=config.thresholds,
            seed=seed,
        )
    decoded, cost = with_cost(partial(decode_or_none, tokenizer, asset.tokens, config.decode(seed=seed)))
    shapes = {"round_trip": decoded}
    if asset.target is not None:
        count = len(decoded.points) if isinstance(decoded, PointCloud) else config.num_cloud_points
        shapes["ceiling"] = _first_points(asset.target, count)
    truth = truth_of(asset.mesh, num_points=config.num_points, seed=seed)
    further = _further_metrics(asset, truth.surface.points, tokenizer=tokenizer, config=config, seed=seed)
    results = {}
    for method, shape in shapes.items():
        metrics = shape_metrics(
            truth, shape, None, thresholds=config.thresholds, num_points=config.num_points, seed=seed
        )
        results[method, "all"] = Measured(
            metrics | further(shape), shape is None, cost=cost if method == "round_trip" else None
        )
    return results


def circumstances(tokenizer: Tokenizer, config: ReconstructionConfig) -> dict[str, Any]:
    """Return what the metrics hang on beside the shapes, and under `skipped` what the protocol has and we do not."""
    if not isinstance(tokenizer, GaussiansTokenizer):
        return {"skipped": {}}
    return {"num_pictures": config.num_views, "picture_resolution": config.view_resolution, "skipped": SKIPPED_METRICS}


def _further_metrics(
    asset: Encoded, surface: np.ndarray, *, tokenizer: Tokenizer, config: ReconstructionConfig, seed: int
) -> Callable[[Any], dict[str, float]]:
    """Return what a representation is measured by beside its surface; one that is new has nothing."""
    match tokenizer:
        case PointCloudTokenizer():
            return lambda cloud: cloud_metrics(cloud, surface, rng=np.random.default_rng([seed, 3]))
        case MeshTokenizer():
            assert isinstance(asset.target, Mesh)
            return partial(face_metrics, target=asset.target, num_cells=tokenizer.config.num_cells)
        case GaussiansTokenizer():
            rgbas, cameras = true_pictures(
                asset.mesh,
                num_views=config.num_views,
                resolution=config.view_resolution,
                rng=np.random.default_rng([seed, 3]),
            )
            return partial(picture_metrics, rgbas=rgbas, cameras=cameras)
    return lambda _: {}


def _first_points(shape: Shape, count: int) -> Shape:
    """Give a stored cloud as many points as a decoded one: the more there are, the smaller the distances."""
    if not isinstance(shape, PointCloud):
        return shape
    normals, colors = (None if each is None else each[:count] for each in (shape.normals, shape.colors))
    return PointCloud(shape.points[:count], normals, colors)
