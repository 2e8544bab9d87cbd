"""A packed folder: what training a generator needs of data/, for a machine without Ray, MLflow, DVC and Hydra.

packed.json  tokens/  conditions/  prompts/  tokenizer/  ltr/

`tokens` and `conditions` have the assets of the training and validation splits, `prompts` the conditions of the test
assets. The result of a training is a folder with packed.json, result.json, metrics.jsonl, samples.safetensors and
generator/; with what is needed to go on, in run/.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ltm3d.errors import DataError
from ltm3d.generator.kinds import AnyGeneratorConfig
from ltm3d.generator.latent_data import LatentData
from ltm3d.settings import convert
from ltm3d.training.config import TrainingConfig
from ltm3d.transforms.sample_shapes import SampleShapesConfig

PACKED_FILE = "packed.json"
SHARD = "shard-00000"  # each folder has this one
RESULT_FILE, SAMPLES_FILE, GENERATOR = "result.json", "samples.safetensors", "generator"


@dataclass(frozen=True, kw_only=True)
class Packed:
    """Settings and provenance.

    Attributes:
        commit: of the code that packed it.
        hashes: of the weights of `tokenizer` and `ltr`.
        digests: of the shards, by folder.
    """

    representation: str
    recipe: str
    commit: str
    model: AnyGeneratorConfig
    training: TrainingConfig
    sampling: SampleShapesConfig
    train_uids: tuple[str, ...]
    val_uids: tuple[str, ...]
    test_uids: tuple[str, ...]
    hashes: dict[str, str]
    digests: dict[str, str]

    def write(self, folder: Path) -> None:
        """Write packed.json."""
        (folder / PACKED_FILE).write_text(json.dumps(asdict(self), indent=1, sort_keys=True) + "\n")


def read_packed(folder: Path) -> Packed:
    """Read the settings of a packed folder, or of a result.

    Raises:
        DataError: it is none.
    """
    try:
        document = json.loads((folder / PACKED_FILE).read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} is no packed folder ({error}); write one with `python -m pipelines.pack`") from error
    return convert(document, Packed, str(folder / PACKED_FILE))


def packed_digest(folder: Path) -> str:
    """Return the sha256 of packed.json, which holds those of all data and weights."""
    return hashlib.sha256((folder / PACKED_FILE).read_bytes()).hexdigest()


def packed_latents(folder: Path, packed: Packed) -> LatentData:
    """Find what is trained on."""
    folder = folder.absolute()
    return LatentData(
        folder / "tokens",
        folder / "conditions",
        folder / "tokenizer",
        list(packed.train_uids),
        list(packed.val_uids),
    )
