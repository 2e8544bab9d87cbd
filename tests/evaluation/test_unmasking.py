"""A recorded sample against the batch that the same prompt and seed are sampled in."""

import pytest
import torch
from tiny_bundle import make_tiny_bundle
from tiny_tokens import randomize

from ltm3d.evaluation.unmasking import record_unmasking
from ltm3d.generator.prefix import Condition
from ltm3d.generator.sampling import SamplingConfig
from ltm3d.generator.shape_models import ShapeModels

CONFIG = SamplingConfig(num_steps=3)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> ShapeModels:
    folder = make_tiny_bundle(tmp_path_factory.mktemp("model") / "bundle")
    models = ShapeModels.load(tokenizer=folder / "tokenizer", ltr=folder / "ltr", generator=folder / "generator")
    torch.manual_seed(0)
    randomize(models.generator)
    return models


def prompts(count: int) -> Condition:
    random = torch.Generator().manual_seed(3)
    return Condition(
        torch.randn(2, 5, 16, generator=random)[:count],
        torch.randn(2, 6, 24, generator=random)[:count],
        torch.ones(count, 6, dtype=torch.bool),
        has_image=torch.ones(count, dtype=torch.bool),
        has_text=torch.ones(count, dtype=torch.bool),
    )


def test_the_last_step_is_the_sample_and_the_one_before_the_first_is_the_guess(models: ShapeModels) -> None:
    both = models.generate(prompts(2), seeds=[11, 12], config=CONFIG)
    steps = record_unmasking(models, prompts(1), seed=11, config=CONFIG)
    guess = models.tokenizer.denormalize(models.reconstruct(prompts(1)))[0]
    assert steps.tokens.shape == (4, 4, 4)
    torch.testing.assert_close(steps.tokens[-1], both[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(steps.tokens[0], guess)
    assert not torch.allclose(steps.tokens[0], steps.tokens[-1], atol=1e-3)


def test_a_token_is_the_guess_until_it_is_known_and_stays_then(models: ShapeModels) -> None:
    steps = record_unmasking(models, prompts(1), seed=11, config=CONFIG)
    assert sorted(set(steps.known_at.tolist())) == [1, 2, 3], "some tokens in every step"
    for step in range(4):
        known = steps.known_at <= step
        assert torch.equal(steps.tokens[step][known], steps.tokens[-1][known])
        assert torch.equal(steps.tokens[step][~known], steps.tokens[0][~known])


def test_recording_changes_no_sample(models: ShapeModels) -> None:
    plain = models.generate(prompts(1), seeds=[11], config=CONFIG)
    assert torch.equal(record_unmasking(models, prompts(1), seed=11, config=CONFIG).tokens[-1], plain[0])


def test_without_guidance_by_reconstruction_it_is_recorded_all_the_same(models: ShapeModels) -> None:
    config = SamplingConfig(num_steps=2, alpha_schedule="off")
    steps = record_unmasking(models, prompts(1), seed=11, config=config)
    assert steps.known_at.max() == 2
    assert torch.equal(steps.tokens[-1], models.generate(prompts(1), seeds=[11], config=config)[0])
