"""Encode target shards to the moments of latent tokens."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ltm3d.errors import ConfigError
from ltm3d.nn.posterior import Posterior
from ltm3d.shards.read import ShardSet
from ltm3d.tokenizers.sdf import SdfTokenizer
from ltm3d.transforms.mapping import ShardJob, ShardResult

CODE_VERSION = 1
ASSETS_A_BATCH = 32


@dataclass(frozen=True, kw_only=True)
class EncodeTokensConfig:
    """How assets are encoded.

    Attributes:
        num_surface: surface points the encoder reads of each asset.
    """

    num_surface: int = 2048
    max_reject_fraction: float = 0.0

    def __post_init__(self) -> None:
        if self.num_surface < 1:
            raise ConfigError(f"num_surface is {self.num_surface}; it must be at least 1")


class TokenEncoder:
    """Loads a tokenizer once and encodes shard after shard."""

    def __init__(self, tokenizer: Path, config: EncodeTokensConfig) -> None:
        self.tokenizer = SdfTokenizer.load(tokenizer)
        self.config = config

    def __call__(self, job: ShardJob) -> ShardResult:
        targets = ShardSet(job.inputs[0].parent, job.uids)
        posterior = encode_set(self.tokenizer, targets, num_surface=self.config.num_surface)
        arrays = {"mean": list(posterior.mean.numpy()), "std": list(posterior.std.numpy())}
        return ShardResult(uids=job.uids, arrays=arrays, records=[{} for _ in job.uids])


def encode_set(tokenizer: SdfTokenizer, targets: ShardSet, *, num_surface: int, start: int = 0) -> Posterior:
    """Encode all assets of a set, in its order, from `num_surface` of their stored points, beginning at `start`."""
    posteriors = []
    for first in range(0, len(targets), ASSETS_A_BATCH):
        rows = range(first, min(first + ASSETS_A_BATCH, len(targets)))
        posteriors.append(_encode(tokenizer, [targets.get("surface", row) for row in rows], num_surface, start))
    return Posterior(
        torch.cat([posterior.mean for posterior in posteriors]),
        torch.cat([posterior.log_variance for posterior in posteriors]),
    )


@torch.no_grad()
def _encode(tokenizer: SdfTokenizer, stored: list[np.ndarray], num_surface: int, start: int) -> Posterior:
    if start + num_surface > len(stored[0]):
        raise ConfigError(
            f"{start + num_surface} surface points are asked for, {len(stored[0])} are stored; "
            "lower num_surface or store more (build_targets)"
        )
    points = np.stack([rows[start : start + num_surface] for rows in stored]).astype(np.float32)
    return tokenizer.encode(torch.from_numpy(points))
