"""A whole model in a folder, of any representation, made within seconds: its tokenizer has learnt one sphere."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import torch
from tiny_tokenizers import TRAINING

from ltm3d.conditioning.tiny_clip import TinyClip, TinyClipConfig, build_tokenizer
from ltm3d.diffusion.flow_matching import FlowMatching
from ltm3d.generator.bundle import BundleConfig, write_bundle
from ltm3d.generator.model import Generator, GeneratorConfig
from ltm3d.generator.reconstruction import Reconstructor, ReconstructorConfig
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


def write_tiny_bundle(folder: Path, tokenizer: Tokenizer) -> Path:
    """Write a bundle around a tokenizer; the other parts have learnt nothing."""
    with tempfile.TemporaryDirectory() as temporary:
        parts = Path(temporary)
        clip_config = TinyClipConfig(
            image_size=32, image_dim=16, image_layers=1, text_dim=24, text_layers=1, num_heads=2, projection_dim=12
        )
        words = build_tokenizer(CAPTIONS, config=clip_config)
        torch.manual_seed(SEED)
        TinyClip(clip_config, vocabulary_size=len(words)).save(parts / "encoder", words)
        tokenizer.save(parts / "tokenizer")
        tokenizer_hash = weights_hash(parts / "tokenizer")
        shape = TokenShape(
            num_tokens=tokenizer.config.num_tokens,
            token_dim=tokenizer.config.token_dim,
            image_width=16,
            text_width=24,
        )
        Reconstructor(ReconstructorConfig(width=16, depth=1, num_heads=2), shape).save(
            parts / "reconstructor", tokenizer_hash=tokenizer_hash
        )
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
                image_model="condition_encoder",
                text_model="condition_encoder",
                image_resolution=32,
                image_extent=0.8,
                decode_resolution=16,
                sampling=SamplingConfig(num_steps=2),
            ),
            models={part: parts / part for part in ("tokenizer", "reconstructor", "generator")},
            encoder=parts / "encoder",
        )
    return folder
