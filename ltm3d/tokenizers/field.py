"""What the tokenizers of signed distances share: their inputs, a field as what tokens mean, and the distances' loss."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from ltm3d.errors import ConfigError
from ltm3d.geometry.extraction import extract_mesh
from ltm3d.geometry.mesh import Mesh
from ltm3d.shards.read import ShardSet
from ltm3d.tokenizers.target_examples import SdfExampleConfig, SdfExamples, check_share, split_points
from ltm3d.tokenizers.tokenizer import DecodeConfig, Inputs, Precision, Tokenizer, stored_points

# B batch, Q queries, L tokens, D token channels

SIGN_SLOPE = 10.0  # logits of the sign loss a truncation distance

Field = Callable[[Float[np.ndarray, "Q 3"]], Float[np.ndarray, " Q"]]


class FieldLoss(Protocol):
    """The settings that `distance_loss` reads.

    Attributes:
        truncation: distances are clipped to [-truncation, truncation] (normalised frame) before the loss.
        near_weight: weight of the near-surface queries' loss beside the volume queries' (VecSetX: 10).
        sign_weight: weight of the cross-entropy of inside against outside.
    """

    @property
    def truncation(self) -> float: ...
    @property
    def near_weight(self) -> float: ...
    @property
    def sign_weight(self) -> float: ...


class FieldTokenizer(Tokenizer):
    """Tokens that stand for a field, negative inside; the shape is the mesh of its zero."""

    kind = "sdf"
    shape_type = Mesh
    example_config_type = SdfExampleConfig
    examples = SdfExamples

    @abstractmethod
    def decode_field(self, tokens: Float[Tensor, "L D"], *, precision: Precision = "fp32") -> Field:
        """Return one shape's field as a function of query points; tokens are not normalised."""

    @classmethod
    def check_examples(cls, config: Any, examples: SdfExampleConfig) -> None:
        if examples.sharp_share != config.sharp_share:
            raise ConfigError(
                f"sharp_share is {examples.sharp_share} of the examples, {config.sharp_share} of the model: it would "
                "encode other points than it is trained on; set tokenizer.sdf.model.sharp_share alone"
            )

    def inputs(self, targets: ShardSet, index: int, *, num_points: int, draw: int = 0) -> Inputs:
        """Read `surface` [S, 6]: points with normals, those of sharp edges last."""
        parts = split_points(num_points, self.config.sharp_share)
        points = [stored_points(targets, name, index, num_points=count, draw=draw) for name, count in parts.items()]
        return {"surface": np.concatenate(points).astype(np.float32)}

    def decode_shape(self, tokens: Float[Tensor, "L D"], config: DecodeConfig) -> Mesh:
        return extract_mesh(self.decode_field(tokens, precision=config.precision), resolution=config.resolution)

    def inside(
        self, tokens: Float[Tensor, "L D"], queries: Float[np.ndarray, "Q 3"], *, precision: Precision = "fp32"
    ) -> Bool[np.ndarray, " Q"]:
        return self.decode_field(tokens, precision=precision)(queries) < 0


def check_field(config: FieldLoss, sharp_share: float) -> None:
    """Refuse settings out of range.

    Raises:
        ConfigError: with the setting, its value and the limit.
    """
    check_share(sharp_share)
    if config.truncation <= 0:
        raise ConfigError(f"truncation is {config.truncation}; it must be above 0")


def distance_loss(
    logits: Float[Tensor, "B Q"], distance: Float[Tensor, "B Q"], num_volume: int, config: FieldLoss
) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
    """Return the L1 of truncated distances, tanh(logit) of a truncation, and the cross-entropy of the sign.

    Args:
        num_volume: the first so many queries are uniform ones, the rest lies near the surface.
    """
    target = (distance / config.truncation).clamp(-1, 1)
    predicted = torch.tanh(logits)  # far from the surface the target is constant, and so may this be
    error = F.l1_loss(predicted, target, reduction="none")
    volume, near = error[:, :num_volume].mean(), error[:, num_volume:].mean()
    sign = F.binary_cross_entropy_with_logits(-SIGN_SLOPE * logits, (distance < 0).float())
    loss = volume + config.near_weight * near + config.sign_weight * sign
    return loss, {"volume_l1": volume, "near_l1": near}


def inside_iou(predicted: Bool[Tensor, "B Q"], target: Bool[Tensor, "B Q"]) -> Float[Tensor, ""]:
    """Return the mean over the batch of the IoU of points inside."""
    intersection = (predicted & target).sum(dim=1)
    union = (predicted | target).sum(dim=1)
    return (intersection / union.clamp(min=1)).mean()
