"""A whole model in a folder, of any representation, made within seconds: its tokenizer has learnt one sphere."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import torch
from small_clip import IMAGE_DIM, TEXT_DIM, save_small_clip
from tiny_tokenizers import TRAINING

from ltm3d.conditioning.packages import PACKAGES
from ltm3d.diffusion.flow_matching import FlowMatching
from ltm3d.generator.bundle import ENCODER_FOLDER, BundleConfig, write_bundle
from ltm3d.generator.ltr import LTR, LTRConfig
from ltm3d.generator.model import Generator, GeneratorConfig
from ltm3d.generator.sampling import SamplingConfig
from ltm3d.generator.token_model import TokenShape
from ltm3d.nn.weights import weights_hash
from ltm3d.tokenizers.tokenizer import Tokenizer

CAPTIONS = ["A 3D model of a red chair, Chair.", "A 3D model of a floor lamp, Lamp."]
SEED = 0


def make_tiny_bundle(folder: Path, representation: str = "sdf") -> Path:
    """Write a bundle; it is made once a test run and copied."""
    shutil.copytree(_tiny_bundle(representation), folder)
    return folder


@cache
def _tiny_bundle(representation: str) -> Path:
    root = Path(tempfile.mkdtemp(prefix="ltm3d-bundle-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    return write_tiny_bundle(root / "bundle", TRAINING[representation](SEED))


def write_tiny_bundle(
    folder: Path, tokenizer: Tokenizer, encoders: tuple[str, str] | None = None, *, carries_packages: bool = False
) -> Path:
    """Write a bundle around a tokenizer; the other parts have learnt nothing.

    Args:
        encoders: of images and of texts, from packages; None = a small CLIP inside, which loads sooner.
    """
    with tempfile.TemporaryDirectory() as temporary:
        parts = Path(temporary)
        torch.manual_seed(SEED)
        if encoders is None:
            save_small_clip(parts / "encoder", CAPTIONS)
        tokenizer.save(parts / "tokenizer")
        tokenizer_hash = weights_hash(parts / "tokenizer")
        shape = TokenShape(
            num_tokens=tokenizer.config.num_tokens,
            token_dim=tokenizer.config.token_dim,
            image_width=IMAGE_DIM if encoders is None else 472,
            text_width=TEXT_DIM if encoders is None else 384,
            num_image_tokens=0 if encoders is None else 64,
        )
        LTR(LTRConfig(width=16, depth=1, num_heads=2), shape).save(parts / "ltr", tokenizer_hash=tokenizer_hash)
        config = GeneratorConfig(
            width=16,
            encoder_depth=1,
            decoder_depth=1,
            num_heads=2,
            num_prefix=2,
            denoiser_width=16,
            denoiser_depth=1,
            flow=FlowMatching(num_steps=2),
        )
        Generator(config, shape).save(parts / "generator", tokenizer_hash=tokenizer_hash)
        write_bundle(
            folder,
            config=BundleConfig(
                representation=tokenizer.kind,
                image_model=ENCODER_FOLDER if encoders is None else encoders[0],
                text_model=ENCODER_FOLDER if encoders is None else encoders[1],
                encoder_image_size=64,
                encoder_weights={name: PACKAGES[name].record for name in encoders or ()},
                image_resolution=32,
                image_extent=0.8,
                decode_resolution=16,
                sampling=SamplingConfig(num_steps=2),
            ),
            models={part: parts / part for part in ("tokenizer", "ltr", "generator")},
            encoder=parts / "encoder" if encoders is None else None,
            carries_packages=carries_packages,
        )
    return folder
