"""Tokenizer for 3D Gaussians: fitted Gaussians → anchored tokens → local Gaussians (Atlas Gaussians, arXiv 2408.13055).

    some of the fitted Gaussians ─► anchored tokens ─► self-attention ─► K Gaussians around each token's anchor

A fitted Gaussian is a coloured point with a size, a direction and an opacity, so the encoder reads them as such. The
decoded ones are compared with the fitted ones, each with its nearest, and both are drawn by the project's rasteriser.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ltm3d.errors import AssetError, ConfigError
from ltm3d.nn.nearest import match_nearest
from ltm3d.nn.posterior import Posterior
from ltm3d.nn.randomness import StepRandom
from ltm3d.nn.transformer import FeedForward
from ltm3d.shards.read import ShardSet
from ltm3d.splatting.camera import pinhole
from ltm3d.splatting.differentiable import draw_film
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
from ltm3d.tokenizers.voxel_gaussians import VoxelDecoder, draw_voxels, occupied_voxels

# B batch, G Gaussians, L tokens, D token channels, V views, H width of a state

LOG_SCALE_CENTER = -4.0  # fitted Gaussians are about e^-4 of the frame's half side long
LOGIT_SCALE = 4.0
MAX_LOG_SCALE = -0.7
NO_OPACITY = -30.0
FAR = 100.0  # where no true Gaussian finds its nearest


@dataclass(frozen=True, kw_only=True)
class GaussiansTokenizerConfig(AnchoredConfig):
    """Sizes and loss weights of the Gaussians' tokenizer.

    Attributes:
        gaussians_a_token: of each token, around its anchor.
        picture_weight: weight of the drawn pictures' absolute error beside the parameters' loss.
        ssim_weight: weight of 1 − SSIM of the same pictures.
        decoder: `anchors`, around each token's own point; or `voxels`, in those of a grid that the tokens say hold
            some (voxel_gaussians.py). The latter learns which do from an example's `target`: let that be all.
        grid: of the voxels, along an axis of the frame.
        max_voxels: of a shape.
        gaussians_a_voxel: within each.
        occupancy_weight: weight of the voxels' cross-entropy.
    """

    gaussians_a_token: int = 16
    picture_weight: float = 2.0
    ssim_weight: float = 0.2
    decoder: Literal["anchors", "voxels"] = "anchors"
    grid: int = 12
    max_voxels: int = 160
    gaussians_a_voxel: int = 12
    occupancy_weight: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.gaussians_a_token < 1:
            raise ConfigError(f"gaussians_a_token is {self.gaussians_a_token}; it must be at least 1")
        for name in ("grid", "max_voxels", "gaussians_a_voxel"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")


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
        if config.decoder == "voxels":
            self.voxels = VoxelDecoder(
                config.width,
                num_heads=config.num_heads,
                grid=config.grid,
                max_voxels=config.max_voxels,
                gaussians_a_voxel=config.gaussians_a_voxel,
            )
        else:
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
        """Return the table of parameters; tokens are not normalised. Voxels that hold nothing have no opacity."""
        states = self.decode_states(tokens)
        if self.config.decoder == "voxels":
            voxels, is_occupied = self.voxels.choose(states, self.anchors)
            return self._switch_off(from_rows(self.voxels.rows(states, self.anchors, voxels)), ~is_occupied)
        rows = self.to_gaussians(states + self.local(self.local_norm(states)))
        rows = rows.unflatten(-1, (self.config.gaussians_a_token, NUM_PARAMETERS))
        means = self.anchors[:, None] + rows[..., MEANS]
        return from_rows(torch.cat([means, rows[..., MEANS.stop :]], dim=-1).flatten(1, 2))

    def _switch_off(self, table: Float[Tensor, "B G 14"], is_empty: Bool[Tensor, "B V"]) -> Float[Tensor, "B G 14"]:
        is_off = is_empty.repeat_interleave(self.config.gaussians_a_voxel, dim=1)
        opacity = table[..., OPACITY_LOGIT].masked_fill(is_off, NO_OPACITY)
        return torch.cat([table[..., :OPACITY_LOGIT], opacity[..., None], table[..., OPACITY_LOGIT + 1 :]], dim=-1)

    @torch.no_grad()
    def decode_shape(self, tokens: Float[Tensor, "L D"], config: DecodeConfig) -> Gaussians:
        del config
        table = self.decode(tokens[None])[0]
        if not bool(table.isfinite().all()):
            raise AssetError("non_finite", "the decoded Gaussians have NaN or infinite parameters")
        table = table[table[:, OPACITY_LOGIT] > NO_OPACITY]
        if not len(table):
            raise AssetError("empty_decode", f"none of the {self.config.grid}³ voxels is more likely full than not")
        return from_parameters(table.cpu().numpy())

    def target_shape(self, targets: ShardSet, index: int) -> Gaussians:
        """Return the fitted Gaussians."""
        return from_parameters(np.asarray(targets.get("gaussians", index), np.float32))

    def training_loss(
        self, batch: Mapping[str, Tensor], random: StepRandom
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Parameters against the nearest fitted Gaussian, pictures against its pictures, and the posterior's KL.

        Batch: `gaussians` [B, S, 14] to encode, `target` [B, G, 14], `films` [B, V, H, W, 4] of it from `cameras`
        [B, V, 4, 4] that see `field_of_view` [B] degrees.
        """
        config = self.config
        posterior = self.encode(batch)
        tokens = posterior.sample(random.normal(config.num_tokens, config.token_dim))
        if config.decoder == "voxels":
            tables, is_empty, occupancy = self._teach_voxels(tokens, batch["target"], random)
            loss, terms = match_loss(
                tables, batch["target"], is_empty.repeat_interleave(config.gaussians_a_voxel, dim=1)
            )
            loss, terms = loss + config.occupancy_weight * occupancy, terms | {"occupancy": occupancy}
            tables = self._switch_off(tables, is_empty)
        else:
            tables = self.decode(tokens)
            loss, terms = match_loss(tables, batch["target"])
        kl = posterior.kl().mean()
        loss = loss + config.kl_weight * kl
        if config.picture_weight or config.ssim_weight:
            error, likeness = self._picture_errors(tables, batch, random)
            loss = loss + config.picture_weight * error + config.ssim_weight * (1 - likeness)
            terms |= {"picture_l1": error, "ssim": likeness}
        return loss, {**terms, "kl": kl}

    def _teach_voxels(
        self, tokens: Float[Tensor, "B L D"], target: Float[Tensor, "B G 14"], random: StepRandom
    ) -> tuple[Float[Tensor, "B N 14"], Bool[Tensor, "B V"], Float[Tensor, ""]]:
        """Return the Gaussians of voxels, which of these are empty, and the cross-entropy of which are.

        Every second shape's voxels are those that hold some of the target's, the others' those that its tokens say do,
        so that the Gaussians learn what to be where the tokens are wrong.
        """
        grid, max_voxels = self.config.grid, self.config.max_voxels
        states = self.decode_states(tokens)
        voxels, is_occupied, occupied = occupied_voxels(target[..., MEANS], grid=grid, max_voxels=max_voxels)
        count = voxels.shape[1]
        asked = draw_voxels(voxels, random.uniform(count, 3), random.uniform(count), grid=grid)
        logits = self.voxels.logits(states, self.anchors, asked)
        occupancy = F.binary_cross_entropy_with_logits(logits, occupied.gather(1, asked))
        with torch.no_grad():
            voxels[1::2], is_occupied[1::2] = self.voxels.choose(states[1::2], self.anchors)
            is_occupied[:, 0] = True  # the likeliest is always taught
        return from_rows(self.voxels.rows(states, self.anchors, voxels)), ~is_occupied, occupancy

    def _picture_errors(
        self, tables: Float[Tensor, "B G 14"], batch: Mapping[str, Tensor], random: StepRandom
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Return absolute error and SSIM over a random background, the same for both."""
        films = batch["films"]
        num_views, resolution = films.shape[1:3]
        drawn = [
            draw_film(table, pinhole(camera, field_of_view=angle, resolution=resolution))
            for table, cameras, angle in zip(
                tables.float(), batch["cameras"].cpu().numpy(), batch["field_of_view"].tolist(), strict=True
            )
            for camera in cameras
        ]
        background = random.uniform(3).repeat_interleave(num_views, dim=0)[:, None, None]
        made, true = (
            (film[..., :3] + (1 - film[..., 3:]) * background).permute(0, 3, 1, 2)
            for film in (torch.stack(drawn), films.flatten(0, 1))
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
    made: Float[Tensor, "B G 14"], true: Float[Tensor, "B N 14"], is_off: Bool[Tensor, "B G"] | None = None
) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
    """Compare each Gaussian with the other set's nearest, both ways: place, scales, thin axis, opacity, colour.

    Args:
        is_off: made Gaussians that are not drawn: they do not count, and no true one's nearest is among them.
    """
    chamfer, attributes = made.new_zeros(()), made.new_zeros(())
    near, counts = made, None
    if is_off is not None:
        means, counts = made[..., MEANS].masked_fill(is_off[..., None], FAR), (~is_off).float()
        near = torch.cat([means, made[..., MEANS.stop :]], dim=-1)
    for one, other, weight in ((made, true, counts), (true, near, None)):
        distance, matched = match_nearest(one, other)
        chamfer = chamfer + _mean(distance, weight)
        scales = (one[..., LOG_SCALES] - matched[..., LOG_SCALES]).abs().mean(dim=-1)
        cosine = (thin_axis(one[..., QUATS]) * thin_axis(matched[..., QUATS])).sum(dim=-1)
        opacity = torch.sigmoid(one[..., OPACITY_LOGIT]) - torch.sigmoid(matched[..., OPACITY_LOGIT])
        colors = (one[..., COLORS] - matched[..., COLORS]).abs().mean(dim=-1)
        error = 0.1 * scales + 0.1 * (1 - cosine.abs()) + 0.2 * opacity.abs() + 0.5 * colors
        attributes = attributes + _mean(error, weight)
    return chamfer + attributes, {"chamfer_l1": chamfer, "attributes": attributes}


def _mean(values: Float[Tensor, "B G"], weight: Float[Tensor, "B G"] | None) -> Float[Tensor, ""]:
    return values.mean() if weight is None else (values * weight).sum() / weight.sum()


def thin_axis(quats: Float[Tensor, "B G 4"]) -> Float[Tensor, "B G 3"]:
    """Return the third own axis, the shortest of a canonical Gaussian: the last column of the rotation."""
    w, x, y, z = F.normalize(quats, dim=-1).unbind(-1)
    return torch.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], dim=-1)
