"""A whole model in a folder, small enough to be made within seconds: its tokenizer has learnt one sphere."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import torch

from ltm3d.conditioning.tiny_clip import TinyClip, TinyClipConfig, build_tokenizer
from ltm3d.diffusion.flow_matching import FlowMatching
from ltm3d.generator.bundle import BundleConfig, write_bundle
from ltm3d.generator.model import Generator, GeneratorConfig
from ltm3d.generator.reconstruction import Reconstructor, ReconstructorConfig
from ltm3d.generator.sampling import SamplingConfig
from ltm3d.generator.token_model import TokenShape
from ltm3d.nn.randomness import StepRandom
from ltm3d.nn.weights import weights_hash
from ltm3d.tokenizers.sdf import SdfTokenizer, SdfTokenizerConfig

RADIUS = 0.6
CAPTIONS = ["A 3D model of a red chair, Chair.", "A 3D model of a floor lamp, Lamp."]


def sphere_batch(num_points: int, seed: int) -> dict[str, torch.Tensor]:
    """Return surface points and queries of a sphere with their true distances."""
    random = torch.Generator().manual_seed(seed)
    normals = torch.nn.functional.normalize(torch.randn(2, num_points, 3, generator=random), dim=-1)
    volume = torch.rand(2, num_points, 3, generator=random) * 2 - 1
    near = normals * RADIUS + 0.05 * torch.randn(2, num_points, 3, generator=random)
    labelled = [torch.cat([q, q.norm(dim=-1, keepdim=True) - RADIUS], dim=-1) for q in (volume, near)]
    return {"surface": torch.cat([normals * RADIUS, normals], dim=-1), "volume": labelled[0], "near": labelled[1]}


def train_sphere_tokenizer(seed: int) -> SdfTokenizer:
    """Fit a tokenizer to the sphere, so that whatever is generated has a surface."""
    torch.manual_seed(seed)
    tokenizer = SdfTokenizer(
        SdfTokenizerConfig(
            num_tokens=4,
            token_dim=4,
            width=32,
            encoder_depth=1,
            decoder_depth=1,
            num_heads=2,
            truncation=0.3,
            near_weight=1.0,
        )
    )
    torch.nn.init.zeros_(tokenizer.from_tokens.weight).requires_grad_(False)  # every latent is the sphere
    optimizer = torch.optim.Adam(tokenizer.parameters(), lr=2e-3)
    for step in range(60):
        loss, _ = tokenizer.training_loss(sphere_batch(128, step), StepRandom(seed, step, [0, 1], "cpu"))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return tokenizer


def make_tiny_bundle(folder: Path) -> Path:
    """Write a bundle; it is made once a test run and copied."""
    shutil.copytree(_tiny_bundle(), folder)
    return folder


@cache
def _tiny_bundle(seed: int = 0) -> Path:
    root = Path(tempfile.mkdtemp(prefix="ltm3d-bundle-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    folder = root / "bundle"
    with tempfile.TemporaryDirectory() as temporary:
        parts = Path(temporary)
        clip_config = TinyClipConfig(
            image_size=32, image_dim=16, image_layers=1, text_dim=24, text_layers=1, num_heads=2, projection_dim=12
        )
        words = build_tokenizer(CAPTIONS, config=clip_config)
        torch.manual_seed(seed)
        TinyClip(clip_config, vocabulary_size=len(words)).save(parts / "encoder", words)
        train_sphere_tokenizer(seed).save(parts / "tokenizer")
        tokenizer_hash = weights_hash(parts / "tokenizer")
        shape = TokenShape(num_tokens=4, token_dim=4, image_width=16, text_width=24)
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
                representation="sdf",
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
