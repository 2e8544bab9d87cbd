from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_tokens import SHAPE, batch_of, is_nearest, memorise

from ltm3d.generator.ltr import LTR
from ltm3d.generator.masking import MaskRatio
from ltm3d.generator.model import Generator, GeneratorConfig
from ltm3d.generator.prefix import Condition
from ltm3d.generator.sampling import SamplingConfig, sample_tokens
from ltm3d.nn.randomness import StepRandom

BOTH = torch.ones(4, dtype=torch.bool)


def test_the_loss_of_a_batch_is_the_mean_over_its_parts(generator: Generator, condition: Condition) -> None:
    batch = batch_of(condition)
    whole, _ = generator.training_loss(batch, StepRandom(0, 1, range(4)))
    parts = [
        generator.training_loss({k: v[half] for k, v in batch.items()}, StepRandom(0, 1, range(4)[half]))[0]
        for half in (slice(0, 2), slice(2, 4))
    ]
    assert torch.allclose(whole, sum(parts) / 2, atol=1e-5)


@pytest.mark.slow
def test_it_memorises_four_shapes(generator: Generator, condition: Condition) -> None:
    batch = batch_of(condition)
    memorise(generator, batch, 400)
    config = SamplingConfig(num_steps=8, alpha_schedule="off", guidance_scale=1.0)
    given = replace(condition, has_image=BOTH, has_text=BOTH)
    tokens = sample_tokens(generator, given, config=config, seeds=range(4))
    assert is_nearest(tokens, batch["mean"])


def test_saving_keeps_weights_and_settings(generator: Generator, ltr: LTR, tmp_path: Path) -> None:
    generator.save(tmp_path / "generator", tokenizer_hash="x")
    ltr.save(tmp_path / "ltr", tokenizer_hash="x")
    loaded = Generator.load(tmp_path / "generator")
    assert loaded.config == generator.config
    assert loaded.shape == generator.shape
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), generator.parameters(), strict=True))
    again = LTR.load(tmp_path / "ltr")
    assert again.config == ltr.config


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"num_prefix": 0},
        {"order": "raster", "mask_ratio": MaskRatio(center=0.5, std=10.0, minimum=0.1)},
        {"known_corruption": 0.5},
        {"known_corruption": 0.5, "corruption": "reconstruction"},
    ],
    ids=["no prefix", "raster", "noise", "reconstruction"],
)
def test_each_variant_memorises_four_shapes(change: dict[str, Any], ltr: LTR, condition: Condition) -> None:
    torch.manual_seed(0)
    sizes = {"width": 32, "encoder_depth": 2, "decoder_depth": 1, "num_heads": 4, "denoiser_width": 32}
    config = GeneratorConfig(**{**sizes, "num_prefix": 3, "denoiser_depth": 2, **change})
    model = Generator(config, SHAPE)
    model.set_ltr(ltr)
    batch = batch_of(condition)
    memorise(model, batch, 500)
    sampling = SamplingConfig(num_steps=8, alpha_schedule="off", guidance_scale=1.0, order=config.order)
    given = replace(condition, has_image=BOTH, has_text=BOTH)
    assert is_nearest(sample_tokens(model, given, config=sampling, seeds=range(4)), batch["mean"])
    assert not any("ltr" in name for name in model.state_dict())


def test_corruption_mixes_in_what_the_module_reconstructs(ltr: LTR, condition: Condition) -> None:
    sizes = {"width": 32, "encoder_depth": 1, "decoder_depth": 1, "num_heads": 4, "denoiser_width": 32}
    config = GeneratorConfig(**sizes, num_prefix=3, denoiser_depth=1, known_corruption=0.5, corruption="reconstruction")
    model = Generator(config, SHAPE)
    model.set_ltr(ltr)
    tokens, guess = torch.randn(4, 8, 4), ltr(condition)
    mixed = model._corrupt(tokens, condition, StepRandom(0, 0, range(4)))
    strength = ((mixed - tokens) / (guess - tokens)).flatten(1)
    assert torch.allclose(strength, strength[:, :1].expand_as(strength), atol=1e-3)  # one strength a sample
    assert bool(((strength > 0) & (strength < 0.5)).all())
