"""Tokenizer for signed distance fields: a set of latent vectors (3DShape2VecSet, Zhang et al. 2023).

    surface points ─► cross-attention of L learnable queries ─► N(mean, std) [L, D] ─► self-attention
                                                              space queries ─► cross-attention ─► distance

The queries are learnable, so that token i means the same thing in every shape: the generator's position
embeddings and the reconstruction module rest on it (docs/architecture.md, "token identity"). Each query has an
anchor, a learnable point in space, and attention prefers what is near it; so does the field's decoder. Without
that, small models spend most of their training finding out where each token should look.
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ltm3d.errors import ConfigError
from ltm3d.nn.attention import distance_bias
from ltm3d.nn.embeddings import PointEmbedding
from ltm3d.nn.posterior import Posterior
from ltm3d.nn.randomness import StepRandom
from ltm3d.nn.transformer import Block, CrossBlock
from ltm3d.nn.weights import load_config, load_weights, save_model
from ltm3d.settings import convert

# B batch, S surface points, Q queries, L tokens, D token channels, M memory vectors, H width

NUM_FREQUENCIES = 5  # wavelengths 2 to 1/8; finer ones only make a small model noisy
SIGN_SLOPE = 10.0  # logits of the sign loss a truncation distance
INITIAL_LOG_VARIANCE = -6.0
LOG_VARIANCE_RANGE = (-20.0, 10.0)


@dataclass(frozen=True, kw_only=True)
class SdfTokenizerConfig:
    """Sizes and loss weights of the SDF tokenizer.

    Attributes:
        truncation: distances are clipped to [-truncation, truncation] (normalised frame) before the loss.
        near_weight: weight of the near-surface queries' loss beside the volume queries' (VecSetX: 10).
        sign_weight: weight of the cross-entropy of inside against outside.
        kl_weight: weight of the posterior's KL to the standard normal, nats a channel.
        memory_expansion: vectors that each token becomes before the field's decoder attends to them.
    """

    num_tokens: int
    token_dim: int
    width: int
    encoder_depth: int
    decoder_depth: int
    num_heads: int
    truncation: float = 0.1
    near_weight: float = 10.0
    sign_weight: float = 1.0
    kl_weight: float = 1e-3
    memory_expansion: int = 4

    def __post_init__(self) -> None:
        if self.width % self.num_heads:
            raise ConfigError(f"width {self.width} must be a multiple of num_heads {self.num_heads}")
        if self.truncation <= 0:
            raise ConfigError(f"truncation is {self.truncation}; it must be above 0")


class SdfTokenizer(nn.Module):
    """Encode surface points to latent tokens and decode tokens to signed distances.

    The latents' per-channel mean and standard deviation over the training split live here, in the weights,
    and are applied in `normalize` and `denormalize` only.
    """

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, config: SdfTokenizerConfig) -> None:
        super().__init__()
        self.config = config
        width, heads = config.width, config.num_heads
        self.queries = nn.Parameter(torch.randn(config.num_tokens, width) * 0.5)
        self.anchors = nn.Parameter(spread_points(config.num_tokens))
        self.log_sharpness = nn.Parameter(torch.linspace(math.log(2.0), math.log(32.0), heads))
        self.surface_embedding = PointEmbedding(width, num_frequencies=NUM_FREQUENCIES, num_features=3)
        self.surface_to_tokens = CrossBlock(width, num_heads=heads, context_width=width)
        self.encoder = nn.ModuleList(Block(width, num_heads=heads) for _ in range(config.encoder_depth))
        self.moments_norm = nn.LayerNorm(width)
        self.to_moments = nn.Linear(width, 2 * config.token_dim)
        with torch.no_grad():  # begin with little noise: a decoder that sees only noise learns to ignore the tokens
            self.to_moments.bias[config.token_dim :] = INITIAL_LOG_VARIANCE
        self.from_tokens = nn.Linear(config.token_dim, width)
        self.decoder = nn.ModuleList(Block(width, num_heads=heads) for _ in range(config.decoder_depth))
        self.to_memory = nn.Linear(width, config.memory_expansion * width)
        self.memory_offsets = nn.Parameter(0.3 * spread_points(config.memory_expansion))
        self.field = FieldDecoder(width)
        self.register_buffer("latent_mean", torch.zeros(config.token_dim))
        self.register_buffer("latent_std", torch.ones(config.token_dim))

    def encode(self, surface: Float[Tensor, "B S 6"]) -> Posterior:
        """Encode surface points with normals to the posterior of the latent tokens."""
        x = self.queries.expand(len(surface), -1, -1)
        bias = distance_bias(self.anchors, surface[..., :3], self.log_sharpness.exp())
        x = self.surface_to_tokens(x, self.surface_embedding(surface), bias=bias)
        for block in self.encoder:
            x = block(x)
        mean, log_variance = self.to_moments(self.moments_norm(x)).chunk(2, dim=-1)
        return Posterior(mean, log_variance.clamp(*LOG_VARIANCE_RANGE))

    def decode_memory(self, tokens: Float[Tensor, "B L D"]) -> Float[Tensor, "B M H"]:
        """Run the part of the decoder that does not depend on the queries; tokens are not normalised."""
        x = self.from_tokens(tokens) + self.queries
        for block in self.decoder:
            x = block(x)
        return self.to_memory(x).unflatten(2, (self.config.memory_expansion, -1)).flatten(1, 2)

    def decode(self, memory: Float[Tensor, "B M H"], queries: Float[Tensor, "B Q 3"]) -> Float[Tensor, "B Q"]:
        """Return the truncated signed distance at the queries, negative inside."""
        return torch.tanh(self.field(queries, memory, self._memory_anchors())) * self.config.truncation

    def normalize(self, tokens: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """Scale tokens to zero mean and unit variance a channel, as the generator sees them."""
        return (tokens - self.latent_mean) / self.latent_std

    def normalize_moments(
        self, mean: Float[Tensor, "*B D"], std: Float[Tensor, "*B D"]
    ) -> tuple[Float[Tensor, "*B D"], Float[Tensor, "*B D"]]:
        """Scale a posterior's mean and standard deviation as `normalize` scales its samples."""
        return self.normalize(mean), std / self.latent_std

    def set_latent_statistics(self, mean: Float[Tensor, "N L D"], std: Float[Tensor, "N L D"]) -> None:
        """Take the per-channel statistics of the posterior's samples over the training split."""
        self.latent_mean.copy_(mean.mean(dim=(0, 1)))
        variance = mean.var(dim=(0, 1), unbiased=False) + std.square().mean(dim=(0, 1))
        self.latent_std.copy_(variance.sqrt().clamp(min=1e-4))

    def denormalize(self, tokens: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """Undo `normalize`."""
        return tokens * self.latent_std + self.latent_mean

    def training_loss(self, batch: dict[str, Tensor], random: StepRandom) -> tuple[Tensor, dict[str, Tensor]]:
        """Reconstruct truncated distances in L1, plus the posterior's KL.

        Batch: `surface` [B, S, 6], `volume` and `near` [B, Q, 4] (query, distance).
        """
        config = self.config
        posterior = self.encode(batch["surface"])
        memory = self.decode_memory(posterior.sample(random.normal(config.num_tokens, config.token_dim)))
        num_volume = batch["volume"].shape[1]
        queries = torch.cat([batch["volume"], batch["near"]], dim=1)
        target = (queries[..., 3] / config.truncation).clamp(-1, 1)
        logits = self.field(queries[..., :3], memory, self._memory_anchors())
        predicted = torch.tanh(logits)  # far from the surface the target is constant, and so may this be
        error = F.l1_loss(predicted, target, reduction="none")
        volume_error, near_error = error[:, :num_volume].mean(), error[:, num_volume:].mean()
        kl = posterior.kl().mean()
        inside = (target < 0).float()
        sign = F.binary_cross_entropy_with_logits(-SIGN_SLOPE * logits, inside)
        loss = volume_error + config.near_weight * near_error + config.sign_weight * sign + config.kl_weight * kl
        iou = _inside_iou(predicted[:, :num_volume] < 0, target[:, :num_volume] < 0)
        return loss, {"volume_l1": volume_error, "near_l1": near_error, "kl": kl, "volume_iou": iou}

    def _memory_anchors(self) -> Float[Tensor, "M 3"]:
        return (self.anchors[:, None] + self.memory_offsets).flatten(0, 1)

    def save(self, folder: Path) -> None:
        """Write a model folder."""
        save_model(folder, self, {"tokenizer": "sdf", "model": asdict(self.config)})

    @classmethod
    def load(cls, folder: Path) -> "SdfTokenizer":
        """Read a model folder, in evaluation mode."""
        tokenizer = cls(convert(load_config(folder)["model"], SdfTokenizerConfig, f"{folder}: model"))
        load_weights(tokenizer, folder)
        return tokenizer.eval().requires_grad_(False)


class FieldDecoder(nn.Module):
    """Cross-attend from embedded queries to the memory, single head, and project to one value.

    logit = q(x) · k_i / √H − s |x − a_i|². The softmax does not see |x|², so the distance is the inner product of
    [x, 1] and s [2 a_i, −|a_i|²]: four more channels of query and key. There is nothing but linear maps beside the
    softmax, so the projections can be folded into keys and values.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query_embedding = PointEmbedding(width, num_frequencies=NUM_FREQUENCIES)
        self.memory_norm = nn.LayerNorm(width)
        self.query_norm = nn.LayerNorm(width)
        self.to_query = nn.Linear(width, width, bias=False)
        self.to_key = nn.Linear(width, width, bias=False)
        self.to_value = nn.Linear(width, width, bias=False)
        self.to_coordinate = nn.Linear(width, width)
        self.log_sharpness = nn.Parameter(torch.tensor(math.log(16.0)))

    def forward(
        self, queries: Float[Tensor, "B Q 3"], memory: Float[Tensor, "B M H"], anchors: Float[Tensor, "M 3"]
    ) -> Float[Tensor, "B Q"]:
        memory = self.memory_norm(memory)
        scale = memory.shape[-1] ** -0.5
        embedded = self.query_embedding(queries)
        query = scale * self.to_query(self.query_norm(embedded))
        query = torch.cat([query, queries, torch.ones_like(queries[..., :1])], dim=-1)
        place = torch.cat([2 * anchors, -anchors.square().sum(dim=-1, keepdim=True)], dim=-1)
        place = self.log_sharpness.exp() * place
        key = torch.cat([self.to_key(memory), place.expand(len(memory), -1, -1)], dim=-1)
        weights = torch.softmax(query @ key.transpose(1, 2), dim=-1)
        return scale * (self.to_coordinate(embedded) * (weights @ self.to_value(memory))).sum(dim=-1)


def spread_points(count: int) -> Float[Tensor, "N 3"]:
    """Return points spread evenly over [-0.75, 0.75]^3, the same each time (Sobol sequence)."""
    return 1.5 * torch.quasirandom.SobolEngine(3).draw(count) - 0.75


def _inside_iou(predicted: Bool[Tensor, "B Q"], target: Bool[Tensor, "B Q"]) -> Float[Tensor, ""]:
    intersection = (predicted & target).sum(dim=1)
    union = (predicted | target).sum(dim=1)
    return (intersection / union.clamp(min=1)).mean()
