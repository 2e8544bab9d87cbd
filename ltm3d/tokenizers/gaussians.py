"""Tokenizer for 3D Gaussians: fitted Gaussians → anchored tokens → local Gaussians (Atlas Gaussians, arXiv 2408.13055).

    some of the fitted Gaussians ─► anchored tokens ─► self-attention ─► K Gaussians around each token's anchor

A fitted Gaussian is a coloured point with a size, a direction and an opacity, so the encoder reads them as such. The
decoded ones are compared with the fitted ones, each with its nearest, and both are drawn by the project's rasteriser.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ltm3d.errors import AssetError, ConfigError
from ltm3d.nn.nearest import match_nearest
from ltm3d.nn.posterior import Posterior
from ltm3d.nn.randomness import StepRandom
from ltm3d.nn.transformer import FeedForward
from ltm3d.shards.read import ShardSet
from ltm3d.splatting.camera import pinhole
from ltm3d.splatting.differentiable import draw_rgba
from ltm3d.splatting.record import (
    COLORS,
    LOG_SCALES,
    MEANS,
    NUM_PARAMETERS,
    OPACITY_LOGIT,
    QUATS,
    Gaussians,
    from_parameters,
)
from ltm3d.splatting.similarity import ssim
from ltm3d.tokenizers.anchored import AnchoredConfig, AnchoredTokenizer
from ltm3d.tokenizers.gaussians_examples import GaussiansExampleConfig, GaussiansExamples
from ltm3d.tokenizers.tokenizer import DecodeConfig, Inputs

# B batch, G Gaussians, L tokens, D token channels, V views, H width of a state

LOG_SCALE_CENTER = -4.0  # fitted Gaussians are about e^-4 of the frame's half side long
LOGIT_SCALE = 4.0
MAX_LOG_SCALE = -0.7


@dataclass(frozen=True, kw_only=True)
class GaussiansTokenizerConfig(AnchoredConfig):
    """Sizes and loss weights of the Gaussians' tokenizer.

    Attributes:
        gaussians_a_token: of each token, around its anchor.
        picture_weight: weight of the drawn pictures' absolute error beside the parameters' loss.
        ssim_weight: weight of 1 − SSIM of the same pictures.
    """

    gaussians_a_token: int = 16
    picture_weight: float = 2.0
    ssim_weight: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.gaussians_a_token < 1:
            raise ConfigError(f"gaussians_a_token is {self.gaussians_a_token}; it must be at least 1")


class GaussiansTokenizer(AnchoredTokenizer):
    """Encode fitted Gaussians to latent tokens and decode tokens to Gaussians."""

    kind = "gaussians"
    shape_type = Gaussians
    config_type = GaussiansTokenizerConfig
    example_config_type = GaussiansExampleConfig
    examples = GaussiansExamples
    config: GaussiansTokenizerConfig

    def __init__(self, config: GaussiansTokenizerConfig) -> None:
        super().__init__(config, num_features=NUM_PARAMETERS - 3)
        self.local_norm = nn.LayerNorm(config.width)
        self.local = FeedForward(config.width)
        self.to_gaussians = nn.Linear(config.width, config.gaussians_a_token * NUM_PARAMETERS)

    def inputs(self, targets: ShardSet, index: int, *, num_points: int, draw: int = 0) -> Inputs:
        """Read `gaussians` [S, 14]: every n-th of the stored ones, which follow a curve through space; at most half.

        Raises:
            ConfigError: there are too few for two disjoint draws.
        """
        stored = targets.get("gaussians", index)
        stride = max(len(stored) // num_points, 2)
        if draw >= stride:
            raise ConfigError(
                f"draw {draw + 1} of {num_points} Gaussians is asked for, {len(stored)} are stored; "
                "lower encode_tokens.num_surface or store more (build_targets)"
            )
        return {"gaussians": np.asarray(stored[draw::stride][:num_points], np.float32)}

    def encode(self, inputs: Mapping[str, Tensor]) -> Posterior:
        return self.encode_points(to_rows(inputs["gaussians"]))

    def decode(self, tokens: Float[Tensor, "B L D"]) -> Float[Tensor, "B G 14"]:
        """Return the table of parameters; tokens are not normalised."""
        states = self.decode_states(tokens)
        rows = self.to_gaussians(states + self.local(self.local_norm(states)))
        rows = rows.unflatten(-1, (self.config.gaussians_a_token, NUM_PARAMETERS))
        means = self.anchors[:, None] + rows[..., MEANS]
        return from_rows(torch.cat([means, rows[..., MEANS.stop :]], dim=-1).flatten(1, 2))

    @torch.no_grad()
    def decode_shape(self, tokens: Float[Tensor, "L D"], config: DecodeConfig) -> Gaussians:
        del config
        table = self.decode(tokens[None])[0]
        if not bool(table.isfinite().all()):
            raise AssetError("non_finite", "the decoded Gaussians have NaN or infinite parameters")
        return from_parameters(table.cpu().numpy())

    def target_shape(self, targets: ShardSet, index: int) -> Gaussians:
        """Return the fitted Gaussians."""
        return from_parameters(np.asarray(targets.get("gaussians", index), np.float32))

    def training_loss(
        self, batch: Mapping[str, Tensor], random: StepRandom
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Parameters against the nearest fitted Gaussian, pictures against its pictures, and the posterior's KL.

        Batch: `gaussians` [B, S, 14] to encode, `target` [B, G, 14], `rgbas` [B, V, H, W, 4] of it from `cameras`
        [B, V, 4, 4] that see `field_of_view` [B] degrees.
        """
        config = self.config
        posterior = self.encode(batch)
        tokens = posterior.sample(random.normal(config.num_tokens, config.token_dim))
        tables = self.decode(tokens)
        loss, terms = match_loss(tables, batch["target"])
        kl = posterior.kl().mean()
        loss = loss + config.kl_weight * kl
        if config.picture_weight or config.ssim_weight:
            error, likeness = self._picture_errors(tables, batch, random)
            loss = loss + config.picture_weight * error + config.ssim_weight * (1 - likeness)
            terms |= {"picture_l1": error, "ssim": likeness}
        return loss, {**terms, "kl": kl}

    def _picture_errors(
        self, tables: Float[Tensor, "B G 14"], batch: Mapping[str, Tensor], random: StepRandom
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Return absolute error and SSIM over a random background, the same for both."""
        rgbas = batch["rgbas"]
        num_views, resolution = rgbas.shape[1:3]
        drawn = [
            draw_rgba(table, pinhole(camera, field_of_view=angle, resolution=resolution))
            for table, cameras, angle in zip(
                tables.float(), batch["cameras"].cpu().numpy(), batch["field_of_view"].tolist(), strict=True
            )
            for camera in cameras
        ]
        background = random.uniform(3).repeat_interleave(num_views, dim=0)[:, None, None]
        made, true = (
            (rgba[..., :3] + (1 - rgba[..., 3:]) * background).permute(0, 3, 1, 2)
            for rgba in (torch.stack(drawn), rgbas.flatten(0, 1))
        )
        return (made - true).abs().mean(), ssim(made, true).mean()


def to_rows(table: Float[Tensor, "B G 14"]) -> Float[Tensor, "B G 14"]:
    """Scale parameters to about unit size, as the network sees them."""
    return torch.cat(
        [
            table[..., MEANS],
            table[..., LOG_SCALES] - LOG_SCALE_CENTER,
            table[..., QUATS],
            table[..., OPACITY_LOGIT, None] / LOGIT_SCALE,
            table[..., COLORS] * 2 - 1,
        ],
        dim=-1,
    )


def from_rows(rows: Float[Tensor, "B G 14"]) -> Float[Tensor, "B G 14"]:
    """Undo `to_rows`; scales are kept below half the frame, colours in [0, 1], and no rotation is the middle."""
    unit = torch.zeros(4, dtype=rows.dtype, device=rows.device)
    unit[0] = 1
    return torch.cat(
        [
            rows[..., MEANS],
            (rows[..., LOG_SCALES] + LOG_SCALE_CENTER).clamp(-9.0, MAX_LOG_SCALE),
            rows[..., QUATS] + unit,
            rows[..., OPACITY_LOGIT, None] * LOGIT_SCALE,
            torch.sigmoid(2 * rows[..., COLORS]),
        ],
        dim=-1,
    )


def match_loss(
    made: Float[Tensor, "B G 14"], true: Float[Tensor, "B N 14"]
) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
    """Compare each Gaussian with the other set's nearest, both ways: place, scales, thin axis, opacity, colour."""
    chamfer, attributes = made.new_zeros(()), made.new_zeros(())
    for one, other in ((made, true), (true, made)):
        distance, matched = match_nearest(one, other)
        chamfer = chamfer + distance.mean()
        scales = (one[..., LOG_SCALES] - matched[..., LOG_SCALES]).abs().mean(dim=-1)
        cosine = (thin_axis(one[..., QUATS]) * thin_axis(matched[..., QUATS])).sum(dim=-1)
        opacity = torch.sigmoid(one[..., OPACITY_LOGIT]) - torch.sigmoid(matched[..., OPACITY_LOGIT])
        colors = (one[..., COLORS] - matched[..., COLORS]).abs().mean(dim=-1)
        error = 0.1 * scales + 0.1 * (1 - cosine.abs()) + 0.2 * opacity.abs() + 0.5 * colors
        attributes = attributes + error.mean()
    return chamfer + attributes, {"chamfer_l1": chamfer, "attributes": attributes}


def thin_axis(quats: Float[Tensor, "B G 4"]) -> Float[Tensor, "B G 3"]:
    """Return the third own axis, the shortest of a canonical Gaussian: the last column of the rotation."""
    w, x, y, z = F.normalize(quats, dim=-1).unbind(-1)
    return torch.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], dim=-1)
