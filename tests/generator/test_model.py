from dataclasses import replace
from pathlib import Path

import torch
from tiny_tokens import batch_of, is_nearest, memorise

from ltm3d.generator.model import Generator
from ltm3d.generator.prefix import Condition
from ltm3d.generator.reconstruction import Reconstructor
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


def test_it_memorises_four_shapes(generator: Generator, condition: Condition) -> None:
    batch = batch_of(condition)
    memorise(generator, batch, 400)
    config = SamplingConfig(num_steps=8, alpha_schedule="off", guidance_scale=1.0)
    given = replace(condition, has_image=BOTH, has_text=BOTH)
    tokens = sample_tokens(generator, given, config=config, seeds=range(4))
    assert is_nearest(tokens, batch["mean"])


def test_saving_keeps_weights_and_settings(generator: Generator, reconstructor: Reconstructor, tmp_path: Path) -> None:
    generator.save(tmp_path / "generator", tokenizer_hash="x")
    reconstructor.save(tmp_path / "reconstructor", tokenizer_hash="x")
    loaded = Generator.load(tmp_path / "generator")
    assert loaded.config == generator.config
    assert loaded.shape == generator.shape
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), generator.parameters(), strict=True))
    again = Reconstructor.load(tmp_path / "reconstructor")
    assert again.config == reconstructor.config
