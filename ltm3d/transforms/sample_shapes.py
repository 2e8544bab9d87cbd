"""Generate shapes for the prompts of a shard's assets."""

import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ltm3d.errors import AssetError, ConfigError
from ltm3d.generator.prefix import Condition
from ltm3d.generator.sampling import SamplingConfig
from ltm3d.generator.shape_models import ShapeModels
from ltm3d.nn.randomness import mix
from ltm3d.shards.read import Shard, read_shard
from ltm3d.shards.write import Reject
from ltm3d.tokenizers.shape import to_arrays
from ltm3d.tokenizers.tokenizer import DecodeConfig, Precision, Tokenizer
from ltm3d.transforms.mapping import ShardJob, ShardResult

PROMPTS = ("image", "text", "both")

# N samples, L tokens, D token channels


@dataclass(frozen=True, kw_only=True)
class SampleShapesConfig:
    """Which prompts of the test assets are generated, and how.

    Attributes:
        prompts: of `image`, `text`, `both`.
        num_seeds: samples a prompt.
        first_seed: number of the first of them; other numbers are other samples.
        view: the rendered view that is the image prompt.
        resolution: cells an axis of the extraction grid.
        num_cloud_points: of a decoded cloud.
        precision: of a decoded field's products; `bf16` is faster where the processor has it, and a little coarser.
    """

    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    prompts: tuple[str, ...] = PROMPTS
    num_seeds: int = 3
    first_seed: int = 0
    view: int = 0
    resolution: int = 64
    num_cloud_points: int = 2048
    max_reject_fraction: float = 0.2
    precision: Precision = "fp32"

    def __post_init__(self) -> None:
        unknown = sorted(set(self.prompts) - set(PROMPTS))
        if unknown or not self.prompts:
            raise ConfigError(f"prompts are {self.prompts}; give one or more of {', '.join(PROMPTS)}")
        if self.num_seeds < 1:
            raise ConfigError(f"num_seeds is {self.num_seeds}; it must be at least 1")
        _ = self.decode

    @property
    def decode(self) -> DecodeConfig:
        """How tokens become shapes."""
        return DecodeConfig(resolution=self.resolution, num_points=self.num_cloud_points, precision=self.precision)


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One sample to make of one asset."""

    uid: str
    kind: str
    number: int

    @property
    def sample_id(self) -> str:
        return f"{self.uid}-{self.kind}-{self.number}"

    @property
    def seed(self) -> int:
        """A function of the asset, the prompt's kind and the sample's number."""
        return mix(zlib.crc32(self.uid.encode()), PROMPTS.index(self.kind), self.number)


class ShapeSampler:
    """Loads the models once and generates shard after shard."""

    def __init__(self, tokenizer: Path, ltr: Path, generator: Path, config: SampleShapesConfig) -> None:
        self.models = ShapeModels.load(tokenizer=tokenizer, ltr=ltr, generator=generator)
        self.config = config

    def __call__(self, job: ShardJob) -> ShardResult:
        shard = read_shard(job.inputs[0])
        tokens = sample_prompts(self.models, shard, job.uids, self.config)
        return decode_samples(self.models.tokenizer, list_prompts(job.uids, self.config), tokens, self.config.decode)


def list_prompts(uids: Sequence[str], config: SampleShapesConfig) -> list[Prompt]:
    """List the samples to make of some assets: asset by asset, prompt by prompt, seed by seed."""
    numbers = range(config.first_seed, config.first_seed + config.num_seeds)
    return [Prompt(uid=uid, kind=kind, number=number) for uid in uids for kind in config.prompts for number in numbers]


def sample_prompts(
    models: ShapeModels,
    shard: Shard,
    uids: Sequence[str],
    config: SampleShapesConfig,
    device: torch.device | str = "cpu",
) -> Float[Tensor, "N L D"]:
    """Generate the tokens of `list_prompts`, not normalised, on the CPU.

    Args:
        shard: of conditions, which has the assets.
        device: where the models are.
    """
    asked = [(uid, kind) for uid in uids for kind in config.prompts]
    rows = [shard.uids.index(uid) for uid, _ in asked]
    condition = condition_rows(shard, rows, [kind for _, kind in asked], view=config.view)
    seeds = [prompt.seed for prompt in list_prompts(uids, config)]
    return models.generate(condition.to(torch.device(device)), seeds=seeds, config=config.sampling).cpu()


def decode_samples(
    tokenizer: Tokenizer, prompts: Sequence[Prompt], tokens: Float[Tensor, "N L D"], config: DecodeConfig
) -> ShardResult:
    """Decode generated tokens to shapes; those without a surface are rejected."""
    kept: list[Prompt] = []
    rejects: list[Reject] = []
    arrays: dict[str, list[np.ndarray]] = defaultdict(list)
    for prompt, row in zip(prompts, tokens, strict=True):
        try:
            shape = tokenizer.decode_shape(row, config)
        except AssetError as error:
            rejects.append(Reject(uid=prompt.sample_id, reason=error.reason, detail=error.detail))
            continue
        kept.append(prompt)
        for name, values in {**to_arrays(shape), "tokens": row.numpy()}.items():
            arrays[name].append(values)
    records = [{"uid": prompt.uid, "prompt": prompt.kind, "number": prompt.number} for prompt in kept]
    return ShardResult(uids=[prompt.sample_id for prompt in kept], arrays=arrays, records=records, rejects=rejects)


def condition_rows(shard: Shard, rows: list[int], kinds: list[str], *, view: int) -> Condition:
    """Read the cached condition tokens of some assets, each as an image, a text, or both."""
    return Condition(
        _rows([shard["image_tokens"][row][view] for row in rows], np.float32),
        _rows([shard["text_tokens"][row] for row in rows], np.float32),
        _rows([shard["text_mask"][row] for row in rows], np.bool_),
        has_image=torch.tensor([kind != "text" for kind in kinds]),
        has_text=torch.tensor([kind != "image" for kind in kinds]),
    )


def _rows(values: list[np.ndarray], dtype: type) -> Tensor:
    return torch.from_numpy(np.stack(values).astype(dtype))
