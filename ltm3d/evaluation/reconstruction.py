"""Measure a tokenizer on the test split, beside its ceiling (eval/v1, "Reconstruction")."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ltm3d.errors import AssetError, ConfigError
from ltm3d.evaluation.fidelity import shape_figures, truth_of
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


def measure_reconstructions(
    tokenizer: SdfTokenizer,
    meshes: Sequence[tuple[str, Mesh, torch.Tensor]],
    *,
    config: ReconstructionConfig,
    seed: int,
) -> list[Scores]:
    """Measure decoded tokens and, as the ceiling, the true field through the same extraction.

    Args:
        meshes: uid, true mesh and tokens (not normalised) of each asset.
    """
    rows = {
        (method, resolution): Scores(method, f"{resolution}^3")
        for resolution in config.resolutions
        for method in ("round_trip", "ceiling")
    }
    for uid, mesh, tokens in meshes:
        rng = np.random.default_rng([seed, 2])
        volume = rng.uniform(-1, 1, (config.num_queries, 3)).astype(np.float32)
        near = sample_surface(mesh, config.num_queries, rng).points
        near = np.clip(near + config.near_std * rng.standard_normal(near.shape), -1, 1).astype(np.float32)
        distance = SignedDistance(mesh)
        inside, near_inside = distance(volume) < 0, distance(near) < 0
        truth = truth_of(mesh, queries=volume, inside=inside, num_points=config.num_points, seed=seed)
        decoded = TokenField(tokenizer, tokens)
        for method, field in (("round_trip", decoded), ("ceiling", distance)):
            field_inside = decoded(volume) < 0 if method == "round_trip" else inside
            near_iou = iou(field(near) < 0 if method == "round_trip" else near_inside, near_inside)
            for resolution in config.resolutions:
                extracted = _extract(field, resolution)
                figures = shape_figures(
                    truth,
                    extracted,
                    field_inside,
                    thresholds=config.thresholds,
                    num_points=config.num_points,
                    seed=seed,
                )
                figures["near_iou"] = near_iou
                rows[method, resolution].add(uid, [figures], failures=int(extracted is None))
    return list(rows.values())


def _extract(field: Field, resolution: int) -> Mesh | None:
    try:
        return extract_mesh(field, resolution=resolution)
    except AssetError:
        return None
