"""Tokenizer for point clouds: coloured points → anchored tokens → any number of coloured points with normals.

surface points, normals, colours ─► anchored tokens ─► self-attention ─► states
                                        noise ─► flow, attending to the states ─► points (point_decoders.py)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ltm3d.diffusion.flow_matching import FlowMatching
from ltm3d.errors import AssetError, ConfigError
from ltm3d.geometry.point_cloud import PointCloud
from ltm3d.nn.posterior import Posterior
from ltm3d.nn.randomness import StepRandom, seeded_generator
from ltm3d.shards.read import ShardSet
from ltm3d.tokenizers.anchored import NUM_FREQUENCIES, AnchoredConfig, AnchoredTokenizer
from ltm3d.tokenizers.augmentation import AugmentationConfig, draw_stretch, stretch_normals
from ltm3d.tokenizers.point_decoders import POINT_WIDTH, FixedPoints, FlowPoints
from ltm3d.tokenizers.target_examples import TargetExamples
from ltm3d.tokenizers.tokenizer import DecodeConfig, Inputs, stored_points

# B batch, S surface points, L tokens, D token channels


@dataclass(frozen=True, kw_only=True)
class PointCloudTokenizerConfig(AnchoredConfig):
    """Sizes of the point cloud tokenizer.

    Attributes:
        point_depth: cross-attention layers of the flow.
        fixed_points_a_token: points that each token becomes, trained by the Chamfer distance; 0 = the flow.
        flow: how the flow is trained and sampled.
    """

    point_depth: int = 2
    fixed_points_a_token: int = 0
    flow: FlowMatching = field(default_factory=lambda: FlowMatching(num_steps=24))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.point_depth < 1:
            raise ConfigError(f"point_depth is {self.point_depth}; it must be at least 1")
        if self.fixed_points_a_token < 0:
            raise ConfigError(f"fixed_points_a_token is {self.fixed_points_a_token}; it must be 0 (the flow) or more")


@dataclass(frozen=True, kw_only=True)
class PointCloudExampleConfig(AugmentationConfig):
    """How many of an asset's stored points one training step reads.

    Attributes:
        num_surface: points that are encoded.
        num_decoded: further points that the decoder learns.
    """

    num_surface: int = 512
    num_decoded: int = 512

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("num_surface", "num_decoded"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")

    @property
    def num_encoded(self) -> int:
        """Points that the encoder reads of an asset."""
        return self.num_surface


class PointCloudExamples(TargetExamples):
    """Two disjoint runs of the stored points."""

    config: PointCloudExampleConfig

    def example(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return `surface` [S, 9] and `decoded` [P, 9]."""
        count = self.config.num_surface + self.config.num_decoded
        stored = len(self.targets.get("surface", index))
        if count > stored:
            raise ConfigError(f"{count} points are asked for, {stored} are stored; lower the counts or store more")
        start = int(rng.integers(stored - count + 1))
        rows = read_rows(self.targets, index, slice(start, start + count))
        if self.augment:
            stretch = draw_stretch(self.config, rows[:, :3], rng)
            rows[:, :3] *= stretch
            rows[:, 3:6] = stretch_normals(rows[:, 3:6], stretch)
        return {"surface": rows[: self.config.num_surface], "decoded": rows[self.config.num_surface :]}


class PointCloudTokenizer(AnchoredTokenizer):
    """Encode coloured points to latent tokens and decode tokens to a cloud."""

    kind = "point_cloud"
    shape_type = PointCloud
    config_type = PointCloudTokenizerConfig
    example_config_type = PointCloudExampleConfig
    examples = PointCloudExamples
    config: PointCloudTokenizerConfig

    def __init__(self, config: PointCloudTokenizerConfig) -> None:
        super().__init__(config, num_features=POINT_WIDTH - 3)
        self.points: FlowPoints | FixedPoints
        if config.fixed_points_a_token:
            self.points = FixedPoints(config.width, points_a_token=config.fixed_points_a_token)
        else:
            self.points = FlowPoints(
                config.width,
                depth=config.point_depth,
                num_heads=config.num_heads,
                num_frequencies=NUM_FREQUENCIES,
                flow=config.flow,
            )

    def inputs(self, targets: ShardSet, index: int, *, num_points: int, draw: int = 0) -> Inputs:
        """Read `surface` [S, 9]: points with normals and colours."""
        stored_points(targets, "surface", index, num_points=num_points, draw=draw)  # are there enough?
        return {"surface": read_rows(targets, index, slice(draw * num_points, (draw + 1) * num_points))}

    def encode(self, inputs: Mapping[str, Tensor]) -> Posterior:
        return self.encode_points(inputs["surface"])

    @torch.no_grad()
    def decode_shape(self, tokens: Float[Tensor, "L D"], config: DecodeConfig) -> PointCloud:
        generator = seeded_generator(config.seed)
        states = self.decode_states(tokens[None])
        rows = self.points.sample(states, self.anchors, num_points=config.num_points, generator=generator)
        if not bool(rows.isfinite().all()):
            raise AssetError("non_finite", "the decoded points have NaN or infinite coordinates")
        return to_cloud(rows.cpu().numpy())

    def target_shape(self, targets: ShardSet, index: int) -> PointCloud:
        """Return the stored points."""
        return to_cloud(read_rows(targets, index, slice(None)))

    def training_loss(
        self, batch: Mapping[str, Tensor], random: StepRandom
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """The point decoder's loss, plus the posterior's KL. Batch: `surface` [B, S, 9], `decoded` [B, P, 9]."""
        config = self.config
        posterior = self.encode(batch)
        states = self.decode_states(posterior.sample(random.normal(config.num_tokens, config.token_dim)))
        loss, terms = self.points.loss(states, self.anchors, batch["decoded"], random)
        kl = posterior.kl().mean()
        return loss + config.kl_weight * kl, {**terms, "kl": kl}


def read_rows(targets: ShardSet, index: int, part: slice) -> Float[np.ndarray, "S 9"]:
    """Read some of the stored surface points as rows of position, normal and colour in [-1, 1]."""
    points = np.asarray(targets.get("surface", index)[part], np.float32)
    colors = np.asarray(targets.get("surface_colors", index)[part], np.float32) / 127.5 - 1
    return np.concatenate([points, colors], axis=1)


def to_cloud(rows: Float[np.ndarray, "P 9"]) -> PointCloud:
    """Turn rows into the record: unit normals, colours of one byte."""
    normals = rows[:, 3:6] / np.maximum(np.linalg.norm(rows[:, 3:6], axis=1, keepdims=True), 1e-9)
    return PointCloud(rows[:, :3], normals, np.rint(np.clip((rows[:, 6:] + 1) * 127.5, 0, 255)).astype(np.uint8))
