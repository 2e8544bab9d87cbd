"""What every tokenizer is to the rest of the project: a model that turns one representation into tokens and back.

    target fields ─► encode ─► N(mean, std) [L, D] ─► normalize ─► what the generator sees
                                                      denormalize ─► decode_shape ─► the representation's own record

A further representation is one module with a subclass, its settings in conf/, and its line in `kinds.py`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ltm3d.errors import ConfigError
from ltm3d.geometry.extraction import check_resolution
from ltm3d.nn.posterior import Posterior
from ltm3d.nn.randomness import StepRandom
from ltm3d.nn.weights import load_config, load_weights, save_model
from ltm3d.settings import convert
from ltm3d.shards.read import ShardSet
from ltm3d.tokenizers.shape import Shape

# B batch, L tokens, D token channels, N assets, Q queries

Inputs = Mapping[str, np.ndarray]
Precision = Literal["fp32", "bf16"]
MIN_STD = 1e-4  # of a channel that never changes


@dataclass(frozen=True, kw_only=True)
class DecodeConfig:
    """How tokens become a shape; each tokenizer reads what concerns its representation.

    Attributes:
        resolution: cells an axis of the grid that a field is extracted on, at most 64 times a power of two.
        num_points: points of a decoded cloud.
        seed: of the draws of a decoder that draws.
        precision: of a field's products; `bf16` is faster where the processor has it, and a little coarser.
    """

    resolution: int = 64
    num_points: int = 2048
    seed: int = 0
    precision: Precision = "fp32"

    def __post_init__(self) -> None:
        check_resolution(self.resolution)
        if not 1 <= self.num_points <= 1_000_000:
            raise ConfigError(f"num_points is {self.num_points}; use 1 to 1,000,000")


class Tokenizer(nn.Module, ABC):
    """Encode target fields to latent tokens, decode tokens to a shape.

    The latents' per-channel mean and standard deviation over the training split live here, in the weights, and are
    applied in `normalize`, `normalize_moments` and `denormalize` only.

    Attributes:
        kind: the representation's name.
        shape_type: the record that tokens decode to.
        config_type: settings of the model; it has `num_tokens` and `token_dim`.
        example_config_type: settings of `examples`; `num_encoded` of it: points that the encoder reads.
        examples: makes the training examples of a set of targets, as (targets, example config, augment=…).
        variants: further tokenizers of the same representation; `kind` in the settings says which is meant.
        is_set: tokens come from a draw of the shape's points, so that the audit can ask whether token i stays token i;
            else there is nothing to draw, and the audit does not apply.
    """

    kind: ClassVar[str]
    shape_type: ClassVar[type[Shape]]
    config_type: ClassVar[type[Any]]
    example_config_type: ClassVar[type[Any]]
    examples: ClassVar[Callable[..., Any]]
    variants: ClassVar[tuple["type[Tokenizer]", ...]] = ()
    is_set: ClassVar[bool] = True
    config: Any
    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("latent_mean", torch.zeros(config.token_dim))
        self.register_buffer("latent_std", torch.ones(config.token_dim))

    @abstractmethod
    def inputs(self, targets: ShardSet, index: int, *, num_points: int, draw: int = 0) -> Inputs:
        """Read what `encode` takes of one asset, float32.

        Args:
            num_points: how many of the stored points, where the representation has points.
            draw: which of several disjoint draws of them.

        Raises:
            ConfigError: fewer points are stored, or the target is of another size than the model.
        """

    @abstractmethod
    def encode(self, inputs: Mapping[str, Tensor]) -> Posterior:
        """Encode a batch of `inputs` to the posterior of the latent tokens, not normalised."""

    @abstractmethod
    def training_loss(
        self, batch: Mapping[str, Tensor], random: StepRandom
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Return the loss of a batch of `examples`, and its terms by name."""

    @abstractmethod
    def decode_shape(self, tokens: Float[Tensor, "L D"], config: DecodeConfig) -> Shape:
        """Decode one shape's tokens, not normalised, to the representation's own record.

        Raises:
            AssetError: `empty_decode`, there is no shape in the tokens; the detail tells what was found.
        """

    def target_shape(self, targets: ShardSet, index: int) -> Shape | None:
        """Return the record that a target itself stands for, the ceiling of what can be decoded; None if none does."""
        del targets, index
        return None

    def inside(
        self, tokens: Float[Tensor, "L D"], queries: Float[np.ndarray, "Q 3"], *, precision: Precision = "fp32"
    ) -> Bool[np.ndarray, " Q"] | None:
        """Say which points lie inside the shape, where the decoder tells without a surface; else None."""
        del tokens, queries, precision
        return None

    @classmethod
    def check_examples(cls, config: Any, examples: Any) -> None:
        """Refuse examples that read an asset otherwise than the model will.

        Raises:
            ConfigError: with both settings.
        """
        del config, examples

    def normalize(self, tokens: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """Scale tokens to zero mean and unit variance a channel, as the generator sees them."""
        return (tokens - self.latent_mean) / self.latent_std

    def denormalize(self, tokens: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """Undo `normalize`."""
        return tokens * self.latent_std + self.latent_mean

    def normalize_moments(
        self, mean: Float[Tensor, "*B D"], std: Float[Tensor, "*B D"]
    ) -> tuple[Float[Tensor, "*B D"], Float[Tensor, "*B D"]]:
        """Scale a posterior's mean and standard deviation as `normalize` scales its samples."""
        return self.normalize(mean), std / self.latent_std

    def set_latent_statistics(self, mean: Float[Tensor, "N L D"], std: Float[Tensor, "N L D"]) -> None:
        """Take the per-channel statistics of the posterior's samples over the training split."""
        self.latent_mean.copy_(mean.mean(dim=(0, 1)))
        variance = mean.var(dim=(0, 1), unbiased=False) + std.square().mean(dim=(0, 1))
        self.latent_std.copy_(variance.sqrt().clamp(min=MIN_STD))

    def save(self, folder: Path) -> None:
        """Write a model folder."""
        save_model(folder, self, {"tokenizer": self.kind, "model": asdict(self.config)})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model folder, in evaluation mode.

        Raises:
            ModelError: the folder holds no model, or one of another make.
        """
        tokenizer = cls(convert(saved_settings(folder), cls.config_type, f"{folder}: model"))
        load_weights(tokenizer, folder)
        return tokenizer.eval().requires_grad_(False)


_GONE = {"num_codebooks": 0, "queries": "learned", "head": "distance", "eikonal_weight": 0.0}  # key → value of off


def saved_settings(folder: Path) -> dict[str, Any]:
    """Read the settings of a model folder, without options that are gone and were off; December 2026 and before."""
    settings = load_config(folder)["model"]
    gone = {key for key, off in _GONE.items() if settings.get(key) == off}
    if "num_codebooks" in gone:
        gone.add("num_codes")
    if {"head", "eikonal_weight"} <= gone and not settings.get("normal_weight"):  # the grid has this one still
        gone |= {"normal_weight", "num_gradient_points"}
    return {key: value for key, value in settings.items() if key not in gone}


def stored_points(targets: ShardSet, name: str, index: int, *, num_points: int, draw: int) -> np.ndarray:
    """Return one of the disjoint runs of `num_points` stored points; they are shuffled, so each is a fair sample."""
    stored, start = targets.get(name, index), draw * num_points
    if start + num_points > len(stored):
        raise ConfigError(
            f"{start + num_points} points of {name!r} are asked for, {len(stored)} are stored; "
            "lower encode_tokens.num_surface or store more (build_targets)"
        )
    return np.asarray(stored[start : start + num_points])
