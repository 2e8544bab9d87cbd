"""Encode rendered views and captions with the frozen condition encoders."""

import json
from dataclasses import dataclass

import numpy as np
import torch

from ltm3d.conditioning.encoder import ConditionEncoder
from ltm3d.shards.read import read_shard
from ltm3d.transforms.mapping import ShardJob, ShardResult


@dataclass(frozen=True, kw_only=True)
class EncodeConditionsConfig:
    """Which frozen encoders give the condition tokens.

    Attributes:
        image_model, text_model: a name or folder that transformers knows; None is the pipeline's own small CLIP.
    """

    image_model: str | None = None
    text_model: str | None = None
    max_reject_fraction: float = 0.0

    @property
    def uses_own_encoder(self) -> bool:
        """Whether the small CLIP must be trained."""
        return self.image_model is None or self.text_model is None


class ConditionEncoding:
    """Loads the encoders once and encodes job after job, each of a shard of views and a file of captions."""

    def __init__(self, image_model: str, text_model: str) -> None:
        self.encoder = ConditionEncoder.load(image_model, text_model)

    def __call__(self, job: ShardJob) -> ShardResult:
        views, captions_file = job.inputs
        shard, captions = read_shard(views), json.loads(captions_file.read_text(encoding="utf-8"))
        images = np.stack([np.asarray(shard["images"][shard.uids.index(uid)]) for uid in job.uids])  # [A V H W 4]
        num_assets, num_views = images.shape[:2]
        encoded = self.encoder.encode_images(images.reshape(-1, *images.shape[2:]))
        texts = self.encoder.encode_texts([captions[uid] for uid in job.uids])
        arrays = {
            "image_tokens": _half(encoded.tokens).reshape(num_assets, num_views, *encoded.tokens.shape[1:]),
            "text_tokens": _half(texts.tokens),
            "text_mask": texts.mask.numpy(),
            "image_embedding": encoded.embedding.numpy().reshape(num_assets, num_views, -1),
            "text_embedding": texts.embedding.numpy(),
        }
        return ShardResult(
            uids=job.uids, arrays={name: list(value) for name, value in arrays.items()}, records=[{} for _ in job.uids]
        )


def _half(tokens: torch.Tensor) -> np.ndarray:
    return tokens.numpy().astype(np.float16)
