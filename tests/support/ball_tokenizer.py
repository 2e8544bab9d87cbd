"""A fifth representation, whole: balls of some radius, as one token."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ltm3d.geometry.point_cloud import PointCloud
from ltm3d.nn.posterior import Posterior
from ltm3d.nn.randomness import StepRandom
from ltm3d.shards.read import ShardSet
from ltm3d.tokenizers.augmentation import AugmentationConfig
from ltm3d.tokenizers.target_examples import TargetExamples
from ltm3d.tokenizers.tokenizer import DecodeConfig, Inputs, Tokenizer, stored_points


@dataclass(frozen=True, kw_only=True)
class BallConfig:
    num_tokens: int = 1
    token_dim: int = 2


@dataclass(frozen=True, kw_only=True)
class BallExampleConfig(AugmentationConfig):
    num_encoded: int = 16


class BallExamples(TargetExamples):
    def example(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return {"surface": np.array(rng.permutation(self.targets.get("surface", index))[: self.config.num_encoded])}


class BallTokenizer(Tokenizer):
    kind, shape_type = "ball", PointCloud
    config_type, example_config_type, examples = BallConfig, BallExampleConfig, BallExamples

    def __init__(self, config: BallConfig) -> None:
        super().__init__(config)
        self.into, self.out = nn.Linear(1, config.token_dim), nn.Linear(config.token_dim, 1)

    def inputs(self, targets: ShardSet, index: int, *, num_points: int, draw: int = 0) -> Inputs:
        return {"surface": stored_points(targets, "surface", index, num_points=num_points, draw=draw)}

    def encode(self, inputs: Mapping[str, Tensor]) -> Posterior:
        mean = self.into(inputs["surface"].norm(dim=-1).mean(dim=1)[:, None, None])
        return Posterior(mean, torch.full_like(mean, -8.0))

    def training_loss(self, batch: Mapping[str, Tensor], random: StepRandom) -> tuple[Tensor, dict[str, Tensor]]:
        radius = self.out(self.encode(batch).sample(random.normal(1, self.config.token_dim)))
        return (radius[:, 0] - batch["surface"].norm(dim=-1)).abs().mean(), {}

    def decode_shape(self, tokens: Tensor, config: DecodeConfig) -> PointCloud:
        directions = np.random.default_rng(config.seed).normal(size=(config.num_points, 3))
        return PointCloud(float(self.out(tokens)) * directions / np.linalg.norm(directions, axis=1, keepdims=True))
