"""Tokenizer for signed distance fields whose tokens are patches of a grid, in raster order.

    surface points ─► cells (is there a point, mean place, mean normal) ─► patches ─► self-attention ─► N(mean, std)
    tokens ─► self-attention ─► a linear head of (P + 2 overlap)³ values a patch ─► R³ coefficients of a smooth field

Token i is the same part of space in every shape, so that position embeddings mean something. The whole field comes out
in one pass, and a query costs eight products. The query decoder (`sdf.py`) has no grid, and no limit of detail but its
size; it needs many times the training for the same metrics when both are small (docs/learning.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltm3d.errors import ConfigError
from ltm3d.geometry.isosurface import grid_axis, marching_cubes
from ltm3d.geometry.mesh import Mesh
from ltm3d.nn.cell_grid import average_in_cells, blur, join_patches, read_field, read_on_grid
from ltm3d.nn.posterior import Posterior
from ltm3d.nn.randomness import StepRandom
from ltm3d.nn.transformer import Block, check_sizes
from ltm3d.tokenizers.anchored import INITIAL_LOG_VARIANCE, LOG_VARIANCE_RANGE, is_weight
from ltm3d.tokenizers.field import FieldTokenizer, check_field, distance_loss, inside_iou
from ltm3d.tokenizers.tokenizer import DecodeConfig, Precision

# B batch, S surface points, Q queries, L tokens, D token channels, R cells an axis, H width

NUM_FEATURES = 7  # of a cell: whether there is a point, its mean place, its mean normal


@dataclass(frozen=True, kw_only=True)
class SdfGridConfig:
    """Sizes and loss weights; those of the loss are `FieldLoss`'s.

    Attributes:
        resolution: R, cells an axis of the grid that points fall into, and of the field's coefficients.
        patch: P, cells an axis of a patch; L = (R / P)³.
        overlap: cells by which a token's values reach into the neighbouring patches, where they are added: no seams.
        kl_weight: weight of the posterior's KL to the standard normal, nats a channel.
        sharp_share: share of the encoded points that lies on sharp edges.
        normal_weight: weight of 1 − cos(∇d, normal) on the surface, by central differences.
        num_gradient_points: of the surface, that this is measured at.
    """

    kind: Literal["grid"] = "grid"
    resolution: int
    patch: int
    token_dim: int
    width: int
    encoder_depth: int
    decoder_depth: int
    num_heads: int
    overlap: int = 1
    truncation: float = 0.15
    near_weight: float = 10.0
    sign_weight: float = 1.0
    kl_weight: float = 5e-4
    sharp_share: float = 0.0
    normal_weight: float = 0.0
    num_gradient_points: int = 512

    def __post_init__(self) -> None:
        check_sizes(self, "resolution", "patch", "token_dim", "decoder_depth", "num_gradient_points")
        if self.resolution % self.patch:
            raise ConfigError(f"resolution {self.resolution} must be a multiple of patch {self.patch}")
        if not 0 <= 2 * self.overlap <= self.patch:
            raise ConfigError(f"overlap is {self.overlap}; use 0 (none) to half of patch, {self.patch // 2}")
        for name in ("encoder_depth", *(each.name for each in fields(self) if is_weight(each))):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; use 0 (none) or more")
        check_field(self, self.sharp_share)

    @property
    def num_tokens(self) -> int:
        """L."""
        return (self.resolution // self.patch) ** 3


class SdfGridTokenizer(FieldTokenizer):
    """Encode surface points to a token a patch, decode tokens to a grid of a smooth field."""

    config_type = SdfGridConfig
    config: SdfGridConfig

    def __init__(self, config: SdfGridConfig) -> None:
        super().__init__(config)
        width, volume = config.width, config.patch**3
        self.from_cells = nn.Linear(volume * NUM_FEATURES, width)
        self.encoder_position = nn.Parameter(0.02 * torch.randn(config.num_tokens, width))
        self.encoder = nn.ModuleList(Block(width, num_heads=config.num_heads) for _ in range(config.encoder_depth))
        self.moments_norm = nn.LayerNorm(width)
        self.to_moments = nn.Linear(width, 2 * config.token_dim)
        with torch.no_grad():  # begin with little noise: a decoder that sees only noise learns to ignore the tokens
            self.to_moments.bias[config.token_dim :] = INITIAL_LOG_VARIANCE
        self.from_tokens = nn.Linear(config.token_dim, width)
        self.decoder_position = nn.Parameter(0.02 * torch.randn(config.num_tokens, width))
        self.decoder = nn.ModuleList(Block(width, num_heads=config.num_heads) for _ in range(config.decoder_depth))
        self.values_norm = nn.LayerNorm(width)
        self.to_values = nn.Linear(width, (config.patch + 2 * config.overlap) ** 3)

    def encode(self, inputs: Mapping[str, Tensor]) -> Posterior:
        """Encode `surface` [B, S, 6]; any S."""
        points, config = inputs["surface"], self.config
        cells = average_in_cells(points[..., :3], points[..., 3:], resolution=config.resolution, patch=config.patch)
        x = self.from_cells(cells) + self.encoder_position
        for block in self.encoder:
            x = block(x)
        mean, log_variance = self.to_moments(self.moments_norm(x)).chunk(2, dim=-1)
        return Posterior(mean, log_variance.clamp(*LOG_VARIANCE_RANGE))

    def decode_grid(self, tokens: Float[Tensor, "B L D"]) -> Float[Tensor, "B R R R"]:
        """Return the field at the cells' centres, blurred, fp32: ready for `read_field`; tokens are not normalised."""
        x = self.from_tokens(tokens) + self.decoder_position
        for block in self.decoder:
            x = block(x)
        values = self.to_values(self.values_norm(x)).float()
        return blur(join_patches(values, patch=self.config.patch, overlap=self.config.overlap))

    @torch.no_grad()
    def decode_field(self, tokens: Float[Tensor, "L D"], *, precision: Precision = "fp32") -> "GridField":
        del precision  # a query has no products worth it
        return GridField(self.decode_grid(tokens[None]), truncation=self.config.truncation)

    def decode_shape(self, tokens: Float[Tensor, "L D"], config: DecodeConfig) -> Mesh:
        """Read the whole grid, which costs less than to look for the cells near the surface, and misses none."""
        return marching_cubes(self.decode_field(tokens).on_grid(config.resolution + 1))

    def training_loss(
        self, batch: Mapping[str, Tensor], random: StepRandom
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Reconstruct truncated distances in L1, plus the posterior's KL; batch as `SdfTokenizer.training_loss`."""
        config = self.config
        posterior = self.encode(batch)
        grid = self.decode_grid(posterior.sample(random.normal(config.num_tokens, config.token_dim)))
        num_volume = batch["volume"].shape[1]
        queries = torch.cat([batch["volume"], batch["near"]], dim=1).float()
        logits = read_field(grid, queries[..., :3])
        loss, terms = distance_loss(logits, queries[..., 3], num_volume, config)
        terms["kl"] = posterior.kl().mean()
        terms["volume_iou"] = inside_iou(logits[:, :num_volume] < 0, queries[:, :num_volume, 3] < 0)
        loss = loss + config.kl_weight * terms["kl"]
        if config.normal_weight:
            surface = batch["surface"][:, : config.num_gradient_points].float()
            gradients = central_differences(grid, surface[..., :3])
            terms["normal"] = normal_loss(gradients, surface[..., 3:])
            loss = loss + config.normal_weight * terms["normal"]
        return loss, terms


def normal_loss(gradients: Float[Tensor, "*any 3"], normals: Float[Tensor, "*any 3"]) -> Float[Tensor, ""]:
    """Return mean 1 − cos(∇d, n): 0 where the field rises outward along the normal, 2 where it falls."""
    lengths = (gradients.square().sum(dim=-1) + 1e-12).sqrt()  # a gradient of 0 has a derivative, too
    return 1 - ((gradients * normals).sum(dim=-1) / lengths).mean()


def central_differences(grid: Float[Tensor, "B R R R"], points: Float[Tensor, "B Q 3"]) -> Float[Tensor, "B Q 3"]:
    """Return differences of the field over a cell along each axis around the points: its gradient times the cell."""
    step = torch.eye(3, device=points.device) / grid.shape[1]
    around = points[:, :, None, None] + torch.stack([step, -step])  # [B Q 2 3 3]
    values = read_field(grid, around.flatten(1, 3)).view(*points.shape[:2], 2, 3)
    return values[:, :, 0] - values[:, :, 1]


class GridField:
    """Truncated signed distances off one grid."""

    def __init__(self, grid: Float[Tensor, "1 R R R"], *, truncation: float) -> None:
        self.grid = grid
        self.truncation = truncation

    @torch.no_grad()
    def __call__(self, queries: Float[np.ndarray, "Q 3"]) -> Float[np.ndarray, " Q"]:
        points = torch.from_numpy(np.ascontiguousarray(queries, dtype=np.float32)).to(self.grid.device)
        return self._distances(read_field(self.grid, points[None])[0])

    @torch.no_grad()
    def on_grid(self, resolution: int) -> Float[np.ndarray, "A A A"]:
        """Return the field at the points of a grid over [-1, 1]³, corners included, indexed [x, y, z]."""
        axis = torch.from_numpy(grid_axis(resolution)).to(self.grid.device)
        return self._distances(read_on_grid(self.grid[0], axis))

    def _distances(self, values: Tensor) -> np.ndarray:
        return values.tanh_().mul_(self.truncation).cpu().numpy()
