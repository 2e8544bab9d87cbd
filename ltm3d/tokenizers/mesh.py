"""Tokenizer for meshes: one continuous token a face, in the faces' sorted order (MeshCraft, arXiv 2503.23022).

    quantised corners of a face ─► embedding ─► self-attention ─► N(mean, std) [F, D - 1] and a flag
    tokens ─► self-attention ─► logits of each corner's cell along x, y and z

Token i is face i of the target's sorted sequence (representations/mesh.py), so that its place means the same in every
mesh: low faces first. A sequence is as long as the largest mesh; what is left is padding. The last channel says so:

    flag = +1 a face, −1 padding, both with a standard deviation of 0.1

so the generator, which makes all tokens, says itself how many faces there are, and `decode_shape` never looks at a
true mesh: it drops the tokens whose flag is below 0. The other channels of padding are 0.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ltm3d.errors import AssetError, ConfigError
from ltm3d.geometry.mesh import Mesh
from ltm3d.nn.embeddings import PointEmbedding
from ltm3d.nn.posterior import Posterior
from ltm3d.nn.randomness import StepRandom
from ltm3d.nn.transformer import Block, check_sizes, learned_tokens
from ltm3d.representations.mesh import mesh_of_target, sort_faces
from ltm3d.shards.read import ShardSet
from ltm3d.tokenizers.mesh_examples import MeshExampleConfig, MeshExamples
from ltm3d.tokenizers.tokenizer import DecodeConfig, Inputs, Tokenizer

# B batch, L tokens = faces with padding, D token channels, H width, N cells along an axis

FLAG_STD = 0.1
INITIAL_SHARPNESS = 20.0  # a guess is 0.15 off at first
SHARPNESS_RATE = 20.0  # Adam moves a parameter by its rate a step; a sharpness has to grow a hundredfold
INITIAL_LOG_VARIANCE = -7.0
LOG_VARIANCE_RANGE = (-20.0, 2.0)


@dataclass(frozen=True, kw_only=True)
class MeshTokenizerConfig:
    """Sizes and loss weights of the mesh tokenizer.

    Attributes:
        num_tokens: faces of the longest sequence, `max_faces` of the target.
        token_dim: channels of a face's token, the flag among them.
        num_cells: along each axis, as in the target.
        kl_weight: weight of the KL of the faces' posterior to the standard normal, nats a channel.
        token_noise: standard deviation of the noise that the decoder must bear in training beside the posterior's own,
            in standard deviations of a batch's tokens, drawn uniformly up to this a shape. A generator's tokens are
            not exact.
    """

    num_tokens: int
    token_dim: int
    num_cells: int
    width: int
    encoder_depth: int
    decoder_depth: int
    num_heads: int
    kl_weight: float = 1e-3
    token_noise: float = 0.0

    def __post_init__(self) -> None:
        check_sizes(self)
        for name in ("encoder_depth", "decoder_depth", "kl_weight"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 0")
        if self.num_tokens < 4 or self.token_dim < 2:
            raise ConfigError(
                f"num_tokens {self.num_tokens} and token_dim {self.token_dim} are out of range; use at least 4 and 2"
            )
        if not 16 <= self.num_cells <= 32_767:
            raise ConfigError(f"num_cells {self.num_cells} is out of range; use 16 to 32,767")
        if not 0 <= self.token_noise <= 1:
            raise ConfigError(f"token_noise is {self.token_noise}; use 0 to 1")


class MeshTokenizer(Tokenizer):
    """Encode faces to tokens, one each; decode tokens to the welded mesh of the faces that they say are there."""

    kind = "mesh"
    shape_type = Mesh
    config_type = MeshTokenizerConfig
    example_config_type = MeshExampleConfig
    examples = MeshExamples
    is_set = False
    config: MeshTokenizerConfig

    def __init__(self, config: MeshTokenizerConfig) -> None:
        super().__init__(config)
        width, heads = config.width, config.num_heads
        num_frequencies = math.ceil(math.log2(config.num_cells))  # the finest wave is two to four cells long
        self.corner_embedding = PointEmbedding(width, num_frequencies=num_frequencies)
        self.from_corners = nn.Linear(3 * width, width)
        self.corners_to_means = nn.Linear(9, config.token_dim - 1)
        self.encoder_places = learned_tokens(config.num_tokens, width)
        self.encoder = nn.ModuleList(Block(width, num_heads=heads) for _ in range(config.encoder_depth))
        self.moments_norm = nn.LayerNorm(width)
        self.to_moments = nn.Linear(width, 2 * (config.token_dim - 1))
        with torch.no_grad():  # begin with little noise: a decoder that sees only noise learns to ignore the tokens
            nn.init.zeros_(self.to_moments.weight)
            self.to_moments.bias[config.token_dim - 1 :] = INITIAL_LOG_VARIANCE
        self.from_tokens = nn.Linear(config.token_dim - 1, width)
        self.decoder_places = learned_tokens(config.num_tokens, width)
        self.decoder = nn.ModuleList(Block(width, num_heads=heads) for _ in range(config.decoder_depth))
        self.means_to_places = nn.Linear(config.token_dim - 1, 9)
        with torch.no_grad():  # the way past all layers begins as a projection, exact where it has nine channels
            nn.init.orthogonal_(self.corners_to_means.weight)
            self.means_to_places.weight.copy_(self.corners_to_means.weight.T)
            nn.init.zeros_(self.corners_to_means.bias)
            nn.init.zeros_(self.means_to_places.bias)
        self.cell_logits = CellLogits(width, num_cells=config.num_cells)

    def inputs(self, targets: ShardSet, index: int, *, num_points: int, draw: int = 0) -> Inputs:
        """Read `triangles` [L, 3, 3] and `mask` [L], whole.

        Raises:
            ConfigError: the target's sequences are of another length than the model's.
        """
        del num_points, draw
        triangles = np.array(targets.get("triangles", index), np.int64)
        if len(triangles) != self.config.num_tokens:
            raise ConfigError(
                f"the target holds {len(triangles)} faces, the tokenizer num_tokens {self.config.num_tokens}: "
                "set build_targets.mesh.target.max_faces to it, or train the tokenizer again"
            )
        return {"triangles": triangles, "mask": np.array(targets.get("mask", index))}

    def encode(self, inputs: Mapping[str, Tensor]) -> Posterior:
        triangles, mask = inputs["triangles"], inputs["mask"]
        corners = triangles.clamp(min=0) * (2 / (self.config.num_cells - 1)) - 1  # representations.mesh.dequantize
        x = self.from_corners(self.corner_embedding(corners).flatten(2)) + self.encoder_places
        for block in self.encoder:
            x = block(x, visible=mask)
        mean, log_variance = self.to_moments(self.moments_norm(x)).chunk(2, dim=-1)
        real = mask[..., None]
        mean = torch.where(real, mean + self.corners_to_means(corners.flatten(2)), 0.0)
        log_variance = torch.where(real, log_variance.clamp(*LOG_VARIANCE_RANGE), LOG_VARIANCE_RANGE[0])
        flag = torch.where(real, 1.0, -1.0).to(mean.dtype)
        flag_log_variance = torch.full_like(flag, 2 * math.log(FLAG_STD))
        return Posterior(torch.cat([mean, flag], dim=-1), torch.cat([log_variance, flag_log_variance], dim=-1))

    def decode(self, tokens: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"]) -> Float[Tensor, "B L 3 3 N"]:
        """Return the logits of each corner's cell along x, y and z; tokens are not normalised.

        Args:
            mask: the faces that are there; the others are seen by none.
        """
        x = self.from_tokens(tokens[..., :-1]) + self.decoder_places
        for block in self.decoder:
            x = block(x, visible=mask)
        return self.cell_logits(x, self.means_to_places(tokens[..., :-1]).unflatten(-1, (3, 3)))

    @torch.no_grad()
    def decode_faces(self, tokens: Float[Tensor, "L D"]) -> Int[Tensor, "F 3 3"]:
        """Return the cells of the faces that the tokens' flags say are there, in their order.

        Raises:
            AssetError: `empty_decode`, no flag is above 0.
        """
        mask = tokens[:, -1] > 0
        if not bool(mask.any()):
            low, high = float(tokens[:, -1].min()), float(tokens[:, -1].max())
            raise AssetError("empty_decode", f"the faces' flags lie in [{low:.4g}, {high:.4g}]: no face is there")
        return self.decode(tokens[None], mask[None])[0, mask].argmax(dim=-1)

    def decode_shape(self, tokens: Float[Tensor, "L D"], config: DecodeConfig) -> Mesh:
        del config
        faces = sort_faces(self.decode_faces(tokens).cpu().numpy())
        if not len(faces):
            raise AssetError("empty_decode", "every decoded face is flat")
        return mesh_of_target(faces, np.ones(len(faces), bool), num_cells=self.config.num_cells)

    def target_shape(self, targets: ShardSet, index: int) -> Mesh:
        """Return the quantised mesh."""
        triangles, mask = targets.get("triangles", index), targets.get("mask", index)
        return mesh_of_target(np.array(triangles), np.array(mask), num_cells=self.config.num_cells)

    def training_loss(
        self, batch: Mapping[str, Tensor], random: StepRandom
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Cross-entropy of the nine cells of each real face, plus the KL of its posterior.

        Batch: `triangles` [B, L, 3, 3] and `mask` [B, L].
        """
        config, mask = self.config, batch["mask"]
        posterior = self.encode(batch)
        mean, log_variance = posterior.mean[mask][:, :-1], posterior.log_variance[mask][:, :-1]
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
        tokens = posterior.sample(random.normal(config.num_tokens, config.token_dim))
        if config.token_noise > 0:
            strength = config.token_noise * random.uniform(1, 1) * tokens[mask].detach().std(dim=0)
            tokens = tokens + strength * random.normal(config.num_tokens, config.token_dim)
        logits = self.decode(tokens, mask)[mask]  # [B L 3 3 N] -> [faces 3 3 N]
        cells = batch["triangles"][mask]
        cross_entropy = F.cross_entropy(logits.flatten(0, 2), cells.flatten())
        right = logits.argmax(dim=-1) == cells
        return cross_entropy + config.kl_weight * kl, {
            "cross_entropy": cross_entropy,
            "kl": kl,
            "coordinate_accuracy": right.float().mean(),
            "triangle_accuracy": right.flatten(1).all(dim=1).float().mean(),
        }


class CellLogits(nn.Module):
    """Logits over the cells of each of nine coordinates: h · φ(c) with waves φ, and −s (x̂ − c)².

    Neighbouring cells share their waves, so the coarse place is learnt first and for all cells at once; the parabola
    around the token's own guess makes it a regression from the first step.
    """

    waves: Tensor
    centers: Tensor

    def __init__(self, width: int, *, num_cells: int) -> None:
        super().__init__()
        centers = torch.linspace(-1, 1, num_cells)
        angles = 0.5 * math.pi * (centers[:, None] + 1) * torch.arange(1, num_cells)
        self.register_buffer("centers", centers, persistent=False)
        self.register_buffer("waves", angles.cos(), persistent=False)  # [N, N - 1], a cosine transform: complete
        self.norm = nn.LayerNorm(width)
        self.to_waves = nn.Linear(width, 9 * (num_cells - 1))
        self.to_places = nn.Linear(width, 9)
        nn.init.zeros_(self.to_waves.weight)
        nn.init.zeros_(self.to_places.weight)
        self.log_sharpness = nn.Parameter(torch.full((9,), math.log(INITIAL_SHARPNESS) / SHARPNESS_RATE))

    def forward(self, x: Float[Tensor, "B L H"], places: Float[Tensor, "B L 3 3"]) -> Float[Tensor, "B L 3 3 N"]:
        x = self.norm(x)
        waves = self.to_waves(x).unflatten(-1, (3, 3, -1)) @ self.waves.T
        places = places + self.to_places(x).unflatten(-1, (3, 3))
        sharpness = (SHARPNESS_RATE * self.log_sharpness).exp().unflatten(0, (3, 3))
        return waves - sharpness[..., None] * (places[..., None] - self.centers).square()
