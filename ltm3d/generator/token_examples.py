"""Training examples of the generator and LTR: cached latents and cached condition tokens."""

import numpy as np
import torch

from ltm3d.shards.read import ShardSet
from ltm3d.tokenizers.tokenizer import Tokenizer


class LatentExamples:
    """Normalised moments of an asset's latents with its condition tokens, from one random view."""

    def __init__(self, tokens: ShardSet, conditions: ShardSet, tokenizer: Tokenizer) -> None:
        assert tokens.uids == conditions.uids, "tokens and conditions list different assets"
        self.conditions = conditions
        self.uids = tokens.uids
        self.moments = [_normalized(tokenizer, tokens, index) for index in range(len(tokens))]

    def __len__(self) -> int:
        return len(self.moments)

    def example(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return `mean`, `std` [L, D], `image_tokens` [T, C] of one view, `text_tokens` [T, C], `text_mask` [T]."""
        mean, std = self.moments[index]
        views = self.conditions.get("image_tokens", index)
        return {
            "mean": mean,
            "std": std,
            "image_tokens": np.asarray(views[rng.integers(len(views))], dtype=np.float32),
            "text_tokens": np.asarray(self.conditions.get("text_tokens", index), dtype=np.float32),
            "text_mask": np.asarray(self.conditions.get("text_mask", index)),
        }


def _normalized(tokenizer: Tokenizer, tokens: ShardSet, index: int) -> tuple[np.ndarray, np.ndarray]:
    mean = torch.from_numpy(np.array(tokens.get("mean", index)))
    std = torch.from_numpy(np.array(tokens.get("std", index)))
    mean, std = tokenizer.normalize_moments(mean, std)
    return mean.numpy(), std.numpy()
