"""Encode target shards to the moments of latent tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ltm3d.errors import ConfigError
from ltm3d.generator.latent_data import HASH_FIELD
from ltm3d.nn.posterior import Posterior
from ltm3d.nn.weights import weights_hash
from ltm3d.shards.read import ShardSet
from ltm3d.tokenizers.kinds import load_tokenizer
from ltm3d.tokenizers.tokenizer import Inputs, Tokenizer
from ltm3d.transforms.mapping import ShardJob, ShardResult

ASSETS_A_BATCH = 32


@dataclass(frozen=True, kw_only=True)
class EncodeTokensConfig:
    """How assets are encoded.

    Attributes:
        num_surface: points the encoder reads of each asset, where the representation has points.
    """

    num_surface: int = 2048
    max_reject_fraction: float = 0.0

    def __post_init__(self) -> None:
        if self.num_surface < 1:
            raise ConfigError(f"num_surface is {self.num_surface}; it must be at least 1")


class TokenEncoder:
    """Loads a tokenizer once and encodes shard after shard."""

    def __init__(self, tokenizer: Path, config: EncodeTokensConfig) -> None:
        self.tokenizer = load_tokenizer(tokenizer)
        self.config = config
        self.hash = weights_hash(tokenizer)

    def __call__(self, job: ShardJob) -> ShardResult:
        targets = ShardSet(job.inputs[0].parent, job.uids)
        posterior = encode_set(self.tokenizer, targets, num_surface=self.config.num_surface)
        arrays = {"mean": list(posterior.mean.numpy()), "std": list(posterior.std.numpy())}
        return ShardResult(uids=job.uids, arrays=arrays, records=[{HASH_FIELD: self.hash} for _ in job.uids])


def encode_set(tokenizer: Tokenizer, targets: ShardSet, *, num_surface: int, draw: int = 0) -> Posterior:
    """Encode all assets of a set, in its order, from one of the disjoint draws of `num_surface` stored points."""
    posteriors = []
    for first in range(0, len(targets), ASSETS_A_BATCH):
        rows = range(first, min(first + ASSETS_A_BATCH, len(targets)))
        assets = [tokenizer.inputs(targets, row, num_points=num_surface, draw=draw) for row in rows]
        posteriors.append(encode_assets(tokenizer, assets))
    return Posterior(
        torch.cat([posterior.mean for posterior in posteriors]),
        torch.cat([posterior.log_variance for posterior in posteriors]),
    )


@torch.no_grad()
def encode_assets(tokenizer: Tokenizer, assets: Sequence[Inputs]) -> Posterior:
    """Encode some assets' inputs at once."""
    return tokenizer.encode({name: torch.from_numpy(np.stack([asset[name] for asset in assets])) for name in assets[0]})
