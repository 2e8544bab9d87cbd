"""Tokenizer for signed distance fields: a set of latent vectors (3DShape2VecSet, Zhang et al. 2023).

    surface points ─► anchored tokens ─► self-attention ─► memory
                                    space queries ─► cross-attention ─► distance, or occupancy

The field's decoder, too, prefers the memory whose anchor is near the query: see `anchored.py`. Where the encoder's
queries are points of the shape, the anchors are read off the memory, and learn where the points were.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ltm3d.errors import ConfigError
from ltm3d.nn.posterior import Posterior
from ltm3d.nn.randomness import StepRandom
from ltm3d.tokenizers.anchored import NUM_FREQUENCIES, AnchoredConfig, AnchoredTokenizer, spread_points
from ltm3d.tokenizers.decoding import OccupancyField, TokenField
from ltm3d.tokenizers.field import FieldTokenizer, check_field, distance_loss, inside_iou
from ltm3d.tokenizers.field_decoder import FieldDecoder
from ltm3d.tokenizers.field_losses import eikonal_loss, field_gradients, normal_loss
from ltm3d.tokenizers.point_queries import curve_codes, farthest_queries
from ltm3d.tokenizers.sdf_grid import SdfGridTokenizer
from ltm3d.tokenizers.tokenizer import Precision

# B batch, S surface points, Q queries, L tokens, D token channels, M memory vectors, H width

PLACE_WEIGHT = 1.0  # of the distance of a memory's anchor from the point that its token stands for


@dataclass(frozen=True, kw_only=True)
class SdfTokenizerConfig(AnchoredConfig):
    """Sizes and loss weights; those of the distances' loss are `FieldLoss`'s.

    Attributes:
        sharp_share: share of the encoded points that lies on sharp edges (cf. Dora, arXiv 2412.17808).
        memory_expansion: vectors that each token becomes before the field's decoder attends to them.
        queries: what the encoder asks the surface with: `learned` vectors, so that token i means the same everywhere;
            or `points`, the shape's own farthest points in canonical order (point_queries.py).
        head: what the decoder gives: a truncated `distance`, or the logit of `occupancy`, 0 at the surface.
        eikonal_weight: weight of (|∇d| − 1)² on the surface and near it.
        normal_weight: weight of 1 − cos(∇d, normal) on the surface.
        num_gradient_points: of the surface and of the near queries, each, that these two are measured at.
    """

    kind: Literal["queries"] = "queries"
    truncation: float = 0.1
    near_weight: float = 10.0
    sign_weight: float = 1.0
    sharp_share: float = 0.0
    memory_expansion: int = 4
    queries: Literal["learned", "points"] = "learned"
    head: Literal["distance", "occupancy"] = "distance"
    eikonal_weight: float = 0.0
    normal_weight: float = 0.0
    num_gradient_points: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        check_field(self, self.sharp_share)
        if self.memory_expansion < 1:
            raise ConfigError(f"memory_expansion is {self.memory_expansion}; it must be at least 1")
        if self.num_gradient_points < 1:
            raise ConfigError(f"num_gradient_points is {self.num_gradient_points}; it must be at least 1")
        if self.eikonal_weight and self.head == "occupancy":
            raise ConfigError(
                f"eikonal_weight is {self.eikonal_weight}: an occupancy has no distance to rise by; set it to 0"
            )


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
        if config.queries == "points":
            self.to_place = nn.Linear(width, 3)
            with torch.no_grad():  # at first along the curve that the queries are sorted by
                nn.init.zeros_(self.to_place.weight)
                nn.init.zeros_(self.to_place.bias)
                self.anchors.copy_(self.anchors[curve_codes(self.anchors).argsort()])

    def encode(self, inputs: Mapping[str, Tensor]) -> Posterior:
        """Encode `surface` [B, S, 6].

        Raises:
            ConfigError: fewer points than tokens, where the queries are points.
        """
        if self.config.queries == "points" and inputs["surface"].shape[1] < self.config.num_tokens:
            raise ConfigError(
                f"{inputs['surface'].shape[1]} surface points are encoded, num_tokens is {self.config.num_tokens}; "
                "queries that are points need as many: raise num_surface"
            )
        return self.encode_points(inputs["surface"])

    def queries_of(self, points: Float[Tensor, "B S F"]) -> tuple[Float[Tensor, "B L H"], Float[Tensor, "*own L 3"]]:
        if self.config.queries == "learned":
            return super().queries_of(points)
        chosen = farthest_queries(points, self.config.num_tokens)
        return self.surface_embedding(chosen), chosen[..., :3]

    def decode_memory(self, tokens: Float[Tensor, "B L D"]) -> Float[Tensor, "B M H"]:
        """Run the part of the decoder that does not depend on the queries; tokens are not normalised."""
        states = self.decode_states(tokens)
        return self.to_memory(states).unflatten(2, (self.config.memory_expansion, -1)).flatten(1, 2)

    def memory_anchors(self, memory: Float[Tensor, "B M H"]) -> Float[Tensor, "B M 3"]:
        """Return where each memory vector stands."""
        anchors = (self.anchors[:, None] + self.memory_offsets).flatten(0, 1).expand(len(memory), -1, -1)
        return anchors if self.config.queries == "learned" else anchors + self.to_place(memory)

    def decode(self, memory: Float[Tensor, "B M H"], queries: Float[Tensor, "B Q 3"]) -> Float[Tensor, "B Q"]:
        """Return the truncated signed distance at the queries, or the logit of being outside: negative inside."""
        values = self.field(queries, memory, self.memory_anchors(memory))
        return values if self.config.head == "occupancy" else torch.tanh(values) * self.config.truncation

    @torch.no_grad()
    def decode_field(
        self, tokens: Float[Tensor, "L D"], *, precision: Precision = "fp32"
    ) -> TokenField | OccupancyField:
        """Return one shape's field as a function of query points; tokens are not normalised."""
        memory = self.decode_memory(tokens[None])
        folded = self.field.fold(memory[0], self.memory_anchors(memory)[0])
        folded = folded.to_bf16() if precision == "bf16" else folded
        if self.config.head == "occupancy":
            return OccupancyField(folded)
        return TokenField(folded, truncation=self.config.truncation)

    def training_loss(
        self, batch: Mapping[str, Tensor], random: StepRandom
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Reconstruct truncated distances in L1, or inside against outside, plus the posterior's KL.

        Batch: `surface` [B, S, 6], `volume` and `near` [B, Q, 4] (query, distance).
        """
        config = self.config
        posterior = self.encode(batch)
        memory = self.decode_memory(posterior.sample(random.normal(config.num_tokens, config.token_dim)))
        num_volume = batch["volume"].shape[1]
        queries = torch.cat([batch["volume"], batch["near"]], dim=1)
        logits = self.field(queries[..., :3], memory, self.memory_anchors(memory))
        loss, terms = self._reconstruction(logits, queries[..., 3], num_volume)
        if config.bottleneck == "kl":
            terms["kl"] = posterior.kl().mean()
            loss = loss + config.kl_weight * terms["kl"]
        terms["volume_iou"] = inside_iou(logits[:, :num_volume] < 0, queries[:, :num_volume, 3] < 0)
        if config.queries == "points":
            points = farthest_queries(batch["surface"], config.num_tokens)[..., :3]
            places = self.memory_anchors(memory).unflatten(1, (config.num_tokens, -1)).mean(dim=2)
            terms["place_error"] = (places - points).norm(dim=-1).mean()
            loss = loss + PLACE_WEIGHT * terms["place_error"]
        if config.eikonal_weight or config.normal_weight:
            terms["eikonal"], terms["normal"] = self._gradient_losses(memory, batch)
            loss = loss + config.eikonal_weight * terms["eikonal"] + config.normal_weight * terms["normal"]
        return loss, terms

    def _reconstruction(
        self, logits: Float[Tensor, "B Q"], distance: Float[Tensor, "B Q"], num_volume: int
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        config = self.config
        if config.head == "occupancy":
            error = F.binary_cross_entropy_with_logits(-logits, (distance < 0).float(), reduction="none")
            volume, near = error[:, :num_volume].mean(), error[:, num_volume:].mean()
            return volume + config.near_weight * near, {"volume_bce": volume, "near_bce": near}
        return distance_loss(logits, distance, num_volume, config)

    def _gradient_losses(
        self, memory: Float[Tensor, "B M H"], batch: Mapping[str, Tensor]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Return the eikonal and the normal loss in fp32.

        The first at surface points and at near queries within half the truncation, the second at surface points.
        """
        count, memory = self.config.num_gradient_points, memory.float()
        surface, near = batch["surface"][:, :count].float(), batch["near"][:, :count].float()
        with torch.autocast(memory.device.type, enabled=False):
            points = torch.cat([surface[..., :3], near[..., :3]], dim=1)
            gradients = field_gradients(lambda at: self.decode(memory, at), points)
            is_near = near[..., 3].abs() < 0.5 * self.config.truncation
            is_close = torch.cat([torch.ones_like(surface[..., 0], dtype=torch.bool), is_near], dim=1)
            eikonal = eikonal_loss(gradients[is_close])
            return eikonal, normal_loss(gradients[:, : surface.shape[1]], surface[..., 3:])
