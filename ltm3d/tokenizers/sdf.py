"""Tokenizer for signed distance fields: a set of latent vectors (3DShape2VecSet, Zhang et al. 2023).

    surface points ─► anchored tokens ─► self-attention ─► memory
                                    space queries ─► cross-attention ─► distance

The field's decoder, too, prefers the memory whose anchor is near the query: see `anchored.py`. Where the encoder's
queries are points of the shape, the anchors are read off the memory, and learn where the points were.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltm3d.errors import ConfigError
from ltm3d.nn.posterior import Posterior
from ltm3d.nn.randomness import StepRandom
from ltm3d.tokenizers.anchored import NUM_FREQUENCIES, AnchoredConfig, AnchoredTokenizer, spread_points
from ltm3d.tokenizers.decoding import TokenField
from ltm3d.tokenizers.field import FieldTokenizer, check_field, distance_loss, inside_iou
from ltm3d.tokenizers.field_decoder import FieldDecoder
from ltm3d.tokenizers.sdf_grid import SdfGridTokenizer
from ltm3d.tokenizers.tokenizer import Precision

# B batch, S surface points, Q queries, L tokens, D token channels, M memory vectors, H width


@dataclass(frozen=True, kw_only=True)
class SdfTokenizerConfig(AnchoredConfig):
    """Sizes and loss weights; those of the distances' loss are `FieldLoss`'s.

    Attributes:
        sharp_share: share of the encoded points that lies on sharp edges (cf. Dora, arXiv 2412.17808).
        memory_expansion: vectors that each token becomes before the field's decoder attends to them.
    """

    kind: Literal["queries"] = "queries"
    truncation: float = 0.1
    near_weight: float = 10.0
    sign_weight: float = 1.0
    sharp_share: float = 0.0
    memory_expansion: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_field(self, self.sharp_share)
        if self.memory_expansion < 1:
            raise ConfigError(f"memory_expansion is {self.memory_expansion}; it must be at least 1")


class SdfTokenizer(FieldTokenizer, AnchoredTokenizer):
    """Encode surface points to latent tokens and decode tokens to signed distances, and to the mesh of their zero."""

    config_type = SdfTokenizerConfig
    variants = (SdfGridTokenizer,)
    config: SdfTokenizerConfig

    def __init__(self, config: SdfTokenizerConfig) -> None:
        super().__init__(config, num_features=3)
        width = config.width
        self.to_memory = nn.Linear(width, config.memory_expansion * width)
        self.memory_offsets = nn.Parameter(0.3 * spread_points(config.memory_expansion))
        self.field = FieldDecoder(width, num_frequencies=NUM_FREQUENCIES)

    def encode(self, inputs: Mapping[str, Tensor]) -> Posterior:
        """Encode `surface` [B, S, 6]."""
        return self.encode_points(inputs["surface"])

    def decode_memory(self, tokens: Float[Tensor, "B L D"]) -> Float[Tensor, "B M H"]:
        """Run the part of the decoder that does not depend on the queries; tokens are not normalised."""
        states = self.decode_states(tokens)
        return self.to_memory(states).unflatten(2, (self.config.memory_expansion, -1)).flatten(1, 2)

    def memory_anchors(self, memory: Float[Tensor, "B M H"]) -> Float[Tensor, "B M 3"]:
        """Return where each memory vector stands."""
        return (self.anchors[:, None] + self.memory_offsets).flatten(0, 1).expand(len(memory), -1, -1)

    def decode(self, memory: Float[Tensor, "B M H"], queries: Float[Tensor, "B Q 3"]) -> Float[Tensor, "B Q"]:
        """Return the truncated signed distance at the queries: negative inside."""
        return torch.tanh(self.field(queries, memory, self.memory_anchors(memory))) * self.config.truncation

    @torch.no_grad()
    def decode_field(self, tokens: Float[Tensor, "L D"], *, precision: Precision = "fp32") -> TokenField:
        """Return one shape's field as a function of query points; tokens are not normalised."""
        memory = self.decode_memory(tokens[None])
        folded = self.field.fold(memory[0], self.memory_anchors(memory)[0])
        folded = folded.to_bf16() if precision == "bf16" else folded
        return TokenField(folded, truncation=self.config.truncation)

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
        logits = self.field(queries[..., :3], memory, self.memory_anchors(memory))
        loss, terms = distance_loss(logits, queries[..., 3], num_volume, config)
        if config.bottleneck == "kl":
            terms["kl"] = posterior.kl().mean()
            loss = loss + config.kl_weight * terms["kl"]
        terms["volume_iou"] = inside_iou(logits[:, :num_volume] < 0, queries[:, :num_volume, 3] < 0)
        return loss, terms
