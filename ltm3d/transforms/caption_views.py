"""Caption rendered views with an image-to-text model."""

from dataclasses import dataclass

import numpy as np

from ltm3d.conditioning.captioner import Captioner
from ltm3d.errors import ConfigError
from ltm3d.shards.read import read_shard
from ltm3d.transforms.mapping import ShardJob, ShardResult


@dataclass(frozen=True, kw_only=True)
class CaptionConfig:
    """Whose captions are the text prompts.

    Attributes:
        model: an image-to-text model that transformers knows, by name or folder; None = the source's own captions.
        max_new_tokens: of one caption.
    """

    model: str | None = None
    max_new_tokens: int = 40

    def __post_init__(self) -> None:
        if not 1 <= self.max_new_tokens <= 512:
            raise ConfigError(f"max_new_tokens {self.max_new_tokens} is out of range; use 1 to 512")


class Captioning:
    """Loads the model once and captions the canonical view of each asset, shard after shard, into the records."""

    def __init__(self, config: CaptionConfig) -> None:
        assert config.model is not None
        self.captioner = Captioner.load(config.model)
        self.max_new_tokens = config.max_new_tokens

    def __call__(self, job: ShardJob) -> ShardResult:
        shard = read_shard(job.inputs[0])
        images = np.stack([np.asarray(shard["images"][shard.uids.index(uid)][0]) for uid in job.uids])
        captions = self.captioner.caption(images, max_new_tokens=self.max_new_tokens)
        return ShardResult(uids=job.uids, arrays={}, records=[{"caption": caption} for caption in captions])
