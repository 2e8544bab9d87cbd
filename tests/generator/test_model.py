from dataclasses import replace
from pathlib import Path

import torch

from ltm3d.generator.model import Generator
from ltm3d.generator.reconstruction import Reconstructor
from ltm3d.generator.sampling import SamplingConfig, sample_tokens
from ltm3d.nn.randomness import StepRandom


def batch_of(condition: object) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(5)
    return {
        "mean": torch.randn(4, 8, 4, generator=random),
        "std": torch.zeros(4, 8, 4),
        "image_tokens": condition.image_tokens,  # type: ignore[attr-defined]
        "text_tokens": condition.text_tokens,  # type: ignore[attr-defined]
        "text_mask": condition.text_mask,  # type: ignore[attr-defined]
    }


def test_the_loss_of_a_batch_is_the_mean_over_its_parts(generator: Generator, condition: object) -> None:
    batch = batch_of(condition)
    whole, _ = generator.training_loss(batch, StepRandom(0, 1, range(4)))
    parts = [
        generator.training_loss({k: v[half] for k, v in batch.items()}, StepRandom(0, 1, range(4)[half]))[0]
        for half in (slice(0, 2), slice(2, 4))
    ]
    assert torch.allclose(whole, sum(parts) / 2, atol=1e-5)


def test_it_memorises_four_shapes(generator: Generator, condition: object) -> None:
    torch.manual_seed(0)
    batch = batch_of(condition)
    model = generator.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)
    for step in range(400):
        loss, _ = model.training_loss(batch, StepRandom(0, step, range(4)))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    config = SamplingConfig(num_steps=8, alpha_schedule="off", guidance_scale=1.0)
    given = replace(condition, has_image=torch.ones(4, dtype=torch.bool), has_text=torch.ones(4, dtype=torch.bool))  # type: ignore[type-var]
    tokens = sample_tokens(model.eval(), given, config=config, seeds=range(4))  # type: ignore[arg-type]
    error = (tokens - batch["mean"]).square().mean(dim=(1, 2))
    nearest_other = torch.cdist(batch["mean"].flatten(1), batch["mean"].flatten(1)).square() / 32
    nearest_other.fill_diagonal_(torch.inf)
    assert bool((error < 0.25 * nearest_other.amin(dim=1)).all()), error


def test_saving_keeps_weights_and_settings(generator: Generator, reconstructor: Reconstructor, tmp_path: Path) -> None:
    generator.save(tmp_path / "generator", tokenizer_hash="x")
    reconstructor.save(tmp_path / "reconstructor", tokenizer_hash="x")
    loaded = Generator.load(tmp_path / "generator")
    assert loaded.config == generator.config
    assert loaded.shape == generator.shape
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), generator.parameters(), strict=True))
    again = Reconstructor.load(tmp_path / "reconstructor")
    assert again.config == reconstructor.config
