"""Encode rendered views and captions with the frozen condition encoders."""

import json
from dataclasses import dataclass

import numpy as np
import torch

from ltm3d.conditioning.efficientnet import DEFAULT_SIZE, check_size
from ltm3d.conditioning.encoder import ConditionEncoder
from ltm3d.conditioning.packages import ALL_MINILM_L6_V2, EFFICIENTNET_LITE0, PACKAGES, WeightsRecord
from ltm3d.shards.read import read_shard
from ltm3d.transforms.mapping import ShardJob, ShardResult

CUT_FIELD = "text_is_cut"  # of an asset's record


@dataclass(frozen=True, kw_only=True)
class EncodeConditionsConfig:
    """Which frozen encoders give the condition tokens.

    Attributes:
        image_model, text_model: as in `ConditionEncoder.load`.
        image_size: pixels along a side that `efficientnet_lite0` sees.
    """

    image_model: str = EFFICIENTNET_LITE0.encoder
    text_model: str = ALL_MINILM_L6_V2.encoder
    image_size: int = DEFAULT_SIZE
    max_reject_fraction: float = 0.0

    def __post_init__(self) -> None:
        check_size(self.image_size)

    @property
    def packaged_weights(self) -> dict[str, WeightsRecord]:
        """By encoder, the weights that come as a package."""
        return {name: PACKAGES[name].record for name in (self.image_model, self.text_model) if name in PACKAGES}

    @property
    def described(self) -> dict[str, str]:
        """Each encoder and its weights, in a line."""
        models = {"image": self.image_model, "text": self.text_model}
        return {kind: PACKAGES[name].record.line if name in PACKAGES else name for kind, name in models.items()}


class ConditionEncoding:
    """Loads the encoders once and encodes job after job, each of a shard of views and a file of captions."""

    def __init__(self, image_model: str, text_model: str, image_size: int = DEFAULT_SIZE) -> None:
        self.encoder = ConditionEncoder.load(image_model, text_model, image_size=image_size)

    def __call__(self, job: ShardJob) -> ShardResult:
        views, captions_file = job.inputs
        shard, captions = read_shard(views), json.loads(captions_file.read_text(encoding="utf-8"))
        images = np.stack([np.asarray(shard["images"][shard.uids.index(uid)]) for uid in job.uids])  # [A V H W 4]
        num_assets, num_views = images.shape[:2]
        encoded = self.encoder.encode_images(images.reshape(-1, *images.shape[2:]))
        own = [captions[uid] for uid in job.uids]
        texts = self.encoder.encode_texts(own)
        arrays = {
            "image_tokens": _half(encoded.tokens).reshape(num_assets, num_views, *encoded.tokens.shape[1:]),
            "text_tokens": _half(texts.tokens),
            "text_mask": texts.mask.numpy(),
            "image_embedding": encoded.embedding.numpy().reshape(num_assets, num_views, -1),
            "text_embedding": texts.embedding.numpy(),
        }
        return ShardResult(
            uids=job.uids,
            arrays={name: list(value) for name, value in arrays.items()},
            records=[{CUT_FIELD: self.encoder.is_cut(text)} for text in own],
        )


def _half(tokens: torch.Tensor) -> np.ndarray:
    return tokens.numpy().astype(np.float16)
