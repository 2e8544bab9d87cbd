"""Tokenizer for signed distance fields: a set of latent vectors (3DShape2VecSet, Zhang et al. 2023).

    surface points ─► anchored tokens ─► self-attention ─► memory
                                    space queries ─► cross-attention ─► distance

The field's decoder, too, prefers the memory whose anchor is near the query: see `anchored.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ltm3d.errors import ConfigError
from ltm3d.geometry.extraction import extract_mesh
from ltm3d.geometry.mesh import Mesh
from ltm3d.nn.posterior import Posterior
from ltm3d.nn.randomness import StepRandom
from ltm3d.shards.read import ShardSet
from ltm3d.tokenizers.anchored import NUM_FREQUENCIES, AnchoredConfig, AnchoredTokenizer, spread_points
from ltm3d.tokenizers.decoding import TokenField
from ltm3d.tokenizers.examples import SdfExampleConfig, SdfExamples
from ltm3d.tokenizers.field_decoder import FieldDecoder
from ltm3d.tokenizers.tokenizer import DecodeConfig, Inputs, stored_points

# B batch, S surface points, Q queries, L tokens, D token channels, M memory vectors, H width

SIGN_SLOPE = 10.0  # logits of the sign loss a truncation distance


@dataclass(frozen=True, kw_only=True)
class SdfTokenizerConfig(AnchoredConfig):
    """Sizes and loss weights of the SDF tokenizer.

    Attributes:
        truncation: distances are clipped to [-truncation, truncation] (normalised frame) before the loss.
        near_weight: weight of the near-surface queries' loss beside the volume queries' (VecSetX: 10).
        sign_weight: weight of the cross-entropy of inside against outside.
        memory_expansion: vectors that each token becomes before the field's decoder attends to them.
    """

    truncation: float = 0.1
    near_weight: float = 10.0
    sign_weight: float = 1.0
    memory_expansion: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.truncation <= 0:
            raise ConfigError(f"truncation is {self.truncation}; it must be above 0")


class SdfTokenizer(AnchoredTokenizer):
    """Encode surface points to latent tokens and decode tokens to signed distances, and to the mesh of their zero."""

    kind = "sdf"
    shape_type = Mesh
    config_type = SdfTokenizerConfig
    example_config_type = SdfExampleConfig
    examples = SdfExamples
    config: SdfTokenizerConfig

    def __init__(self, config: SdfTokenizerConfig) -> None:
        super().__init__(config, num_features=3)
        width = config.width
        self.to_memory = nn.Linear(width, config.memory_expansion * width)
        self.memory_offsets = nn.Parameter(0.3 * spread_points(config.memory_expansion))
        self.field = FieldDecoder(width, num_frequencies=NUM_FREQUENCIES)

    def inputs(self, targets: ShardSet, index: int, *, num_points: int, draw: int = 0) -> Inputs:
        """Read `surface` [S, 6]: points with normals."""
        points = stored_points(targets, "surface", index, num_points=num_points, draw=draw)
        return {"surface": points.astype(np.float32)}

    def encode(self, inputs: Mapping[str, Tensor]) -> Posterior:
        return self.encode_points(inputs["surface"])

    def decode_memory(self, tokens: Float[Tensor, "B L D"]) -> Float[Tensor, "B M H"]:
        """Run the part of the decoder that does not depend on the queries; tokens are not normalised."""
        states = self.decode_states(tokens)
        return self.to_memory(states).unflatten(2, (self.config.memory_expansion, -1)).flatten(1, 2)

    def decode(self, memory: Float[Tensor, "B M H"], queries: Float[Tensor, "B Q 3"]) -> Float[Tensor, "B Q"]:
        """Return the truncated signed distance at the queries, negative inside."""
        return torch.tanh(self.field(queries, memory, self.memory_anchors())) * self.config.truncation

    @torch.no_grad()
    def decode_field(self, tokens: Float[Tensor, "L D"]) -> TokenField:
        """Return one shape's field as a function of query points; tokens are not normalised."""
        memory = self.decode_memory(tokens[None])
        return TokenField(self.field.fold(memory[0], self.memory_anchors()), truncation=self.config.truncation)

    def decode_shape(self, tokens: Float[Tensor, "L D"], config: DecodeConfig) -> Mesh:
        return extract_mesh(self.decode_field(tokens), resolution=config.resolution)

    def inside(self, tokens: Float[Tensor, "L D"], queries: Float[np.ndarray, "Q 3"]) -> Bool[np.ndarray, " Q"]:
        return self.decode_field(tokens)(queries) < 0

    def training_loss(
        self, batch: Mapping[str, Tensor], random: StepRandom
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Reconstruct truncated distances in L1, plus the posterior's KL.

        Batch: `surface` [B, S, 6], `volume` and `near` [B, Q, 4] (query, distance).
        """
        config = self.config
        posterior = self.encode(batch)
        memory = self.decode_memory(posterior.sample(random.normal(config.num_tokens, config.token_dim)))
        num_volume = batch["volume"].shape[1]
        queries = torch.cat([batch["volume"], batch["near"]], dim=1)
        target = (queries[..., 3] / config.truncation).clamp(-1, 1)
        logits = self.field(queries[..., :3], memory, self.memory_anchors())
        predicted = torch.tanh(logits)  # far from the surface the target is constant, and so may this be
        error = F.l1_loss(predicted, target, reduction="none")
        volume_error, near_error = error[:, :num_volume].mean(), error[:, num_volume:].mean()
        kl = posterior.kl().mean()
        inside = (target < 0).float()
        sign = F.binary_cross_entropy_with_logits(-SIGN_SLOPE * logits, inside)
        loss = volume_error + config.near_weight * near_error + config.sign_weight * sign + config.kl_weight * kl
        iou = _inside_iou(predicted[:, :num_volume] < 0, target[:, :num_volume] < 0)
        return loss, {"volume_l1": volume_error, "near_l1": near_error, "kl": kl, "volume_iou": iou}

    def memory_anchors(self) -> Float[Tensor, "M 3"]:
        """Return where each memory vector stands."""
        return (self.anchors[:, None] + self.memory_offsets).flatten(0, 1)


def _inside_iou(predicted: Bool[Tensor, "B Q"], target: Bool[Tensor, "B Q"]) -> Float[Tensor, ""]:
    intersection = (predicted & target).sum(dim=1)
    union = (predicted | target).sum(dim=1)
    return (intersection / union.clamp(min=1)).mean()
