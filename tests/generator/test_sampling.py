import itertools
from dataclasses import replace

import pytest
import torch
from tiny_tokens import rows
from two_tokens import LEVEL, prompts, train_on_pairs

from ltm3d.errors import ConfigError
from ltm3d.generator.guess import Guess
from ltm3d.generator.ltr import LTR
from ltm3d.generator.model import Generator
from ltm3d.generator.prefix import Condition, Prefix
from ltm3d.generator.sampling import SamplingConfig, sample_tokens

CONFIG = SamplingConfig(num_steps=5, guidance_scale=2.0)


def test_a_sample_does_not_depend_on_its_batch(generator: Generator, ltr: LTR, condition: Condition) -> None:
    guess = ltr(condition).detach()
    for first in range(1, 41, 4):
        seeds = range(first, first + 4)
        whole = sample_tokens(generator, condition, config=CONFIG, seeds=seeds, reconstructed=guess)
        part = sample_tokens(
            generator, rows(condition, [2, 0]), config=CONFIG, seeds=[seeds[2], seeds[0]], reconstructed=guess[[2, 0]]
        )
        # twenty steps of DDPM make more of a matrix product's rounding than four of a flow
        assert torch.allclose(whole[[2, 0]], part, atol=1e-5 if generator.config.head == "flow" else 1e-4)
    whole = sample_tokens(generator, condition, config=CONFIG, seeds=[1, 2, 3, 4], reconstructed=guess)
    other_seed = sample_tokens(generator, condition, config=CONFIG, seeds=[5, 2, 3, 4], reconstructed=guess)
    assert not torch.allclose(whole[0], other_seed[0], atol=1e-3)


def test_alpha_one_is_no_guidance_bit_for_bit(generator: Generator, ltr: LTR, condition: Condition) -> None:
    guess = ltr(condition).detach()
    off = replace(CONFIG, alpha_schedule="off")
    one = replace(CONFIG, alpha_schedule="constant", alpha=1.0)
    first = sample_tokens(generator, condition, config=off, seeds=range(4))
    assert torch.equal(first, sample_tokens(generator, condition, config=one, seeds=range(4), reconstructed=guess))
    half = replace(one, alpha=0.5)
    assert not torch.equal(first, sample_tokens(generator, condition, config=half, seeds=range(4), reconstructed=guess))


def test_known_tokens_are_mixed_with_the_guess_alike_in_all_branches(
    generator: Generator, ltr: LTR, condition: Condition, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    drawn = [torch.zeros(4, 8, 4)]
    run = generator.token_modulations

    def spy(
        prefix: Prefix, tokens: torch.Tensor, masked: torch.Tensor, wanted: torch.Tensor, guess: Guess | None
    ) -> torch.Tensor:
        assert guess is None, "it takes none"
        seen.append((tokens, masked))
        return run(prefix, tokens, masked, wanted, guess)

    monkeypatch.setattr(generator, "token_modulations", spy)
    config, guess = replace(CONFIG, alpha_power=2.0), ltr(condition).detach()
    sample_tokens(
        generator,
        condition,
        config=config,
        seeds=range(4),
        reconstructed=guess,
        on_step=lambda step, total, tokens: drawn.append(tokens.clone()),
    )
    for step, (tokens, masked) in enumerate(seen):
        alpha = (0.04, 0.16, 0.36, 0.64, 1.0)[step]  # ((i + 1)/5)²
        known = (1 - alpha) * guess + alpha * drawn[step]
        assert (~masked).any() == (step > 0)
        for branch, hidden in zip(tokens.chunk(2), masked.chunk(2), strict=True):
            assert torch.allclose(branch[~hidden], known[~hidden], atol=1e-6)
    assert len(seen) == 5


def test_guidance_scale_one_is_the_conditional_branch(generator: Generator, condition: Condition) -> None:
    config = replace(CONFIG, guidance_scale=1.0, alpha_schedule="off")
    nearly = replace(config, guidance_scale=1.0 + 1e-7)
    assert torch.allclose(
        sample_tokens(generator, condition, config=config, seeds=range(4)),
        sample_tokens(generator, condition, config=nearly, seeds=range(4)),
        atol=1e-4,
    )


def test_samples_of_a_prompt_are_those_of_the_prompt_given_again(
    generator: Generator, ltr: LTR, condition: Condition
) -> None:
    guess = ltr(condition).detach()
    seeds = [1, 2, 3, 4, 5, 6, 7, 8]
    together = sample_tokens(generator, condition, config=CONFIG, seeds=seeds, reconstructed=guess)
    index = [0, 0, 1, 1, 2, 2, 3, 3]
    again = rows(condition, index)
    apart = sample_tokens(generator, again, config=CONFIG, seeds=seeds, reconstructed=guess[index])
    assert torch.allclose(together, apart, atol=1e-5)
    with pytest.raises(ConfigError, match="7 seeds for 4 prompts"):
        sample_tokens(generator, condition, config=CONFIG, seeds=seeds[:7], reconstructed=guess)


def test_a_text_scale_equal_to_the_image_scale_is_one_scale_for_both(
    generator: Generator, condition: Condition
) -> None:
    one = replace(CONFIG, alpha_schedule="off")
    same, more = (replace(one, text_guidance_scale=scale) for scale in (CONFIG.guidance_scale, 4.0))
    tokens = {
        name: sample_tokens(generator, condition, config=config, seeds=range(4))
        for name, config in (("one", one), ("same", same), ("more", more))
    }
    assert torch.allclose(tokens["one"], tokens["same"], atol=2e-4)
    changed = (tokens["one"] - tokens["more"]).abs().amax(dim=(1, 2)) > 1e-2
    assert changed.tolist() == condition.has_text.tolist()  # prompts without a text are not touched


def test_guidance_grows_or_is_the_same_at_every_step(generator: Generator, condition: Condition) -> None:
    off = replace(CONFIG, alpha_schedule="off")
    grown, constant = (
        sample_tokens(generator, condition, config=replace(off, guidance_schedule=schedule), seeds=range(4))
        for schedule in ("linear", "constant")
    )
    assert not torch.equal(grown, constant)
    one_step = replace(off, num_steps=1)
    assert torch.equal(
        sample_tokens(generator, condition, config=one_step, seeds=range(4)),
        sample_tokens(generator, condition, config=replace(one_step, guidance_schedule="constant"), seeds=range(4)),
    )
    with pytest.raises(ConfigError, match="guidance_schedule is 'cosine'"):
        SamplingConfig(guidance_schedule="cosine")


def test_each_token_is_written_once(generator: Generator, condition: Condition) -> None:
    seen: list[torch.Tensor] = []
    config = replace(CONFIG, alpha_schedule="off")
    tokens = sample_tokens(
        generator, condition, config=config, seeds=range(4), on_step=lambda step, total, x: seen.append(x.clone())
    )
    for before, after in itertools.pairwise(seen):
        written = before.abs().sum(-1) > 0
        assert torch.equal(before[written], after[written])
    assert bool((tokens.abs().sum(-1) > 0).all())
    assert len(seen) == 5


def test_alpha_grows_to_one() -> None:
    alphas = [SamplingConfig().alpha_at(step, 16) for step in range(16)]
    assert alphas[0] == pytest.approx(1 / 16)
    assert alphas[-1] == 1.0


def test_reconstruction_guidance_needs_reconstructed_tokens(generator: Generator, condition: Condition) -> None:
    with pytest.raises(ConfigError, match="needs reconstructed tokens"):
        sample_tokens(generator, condition, config=CONFIG, seeds=range(4))


@pytest.mark.parametrize("settings", [{"temperature": -1.0}, {"alpha": 7.0}, {"alpha_power": -2.0}])
def test_a_setting_out_of_its_range_is_an_error(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"it must be 0|use \[0, 1\]"):
        SamplingConfig(**settings)  # type: ignore[arg-type]


@pytest.mark.slow
def test_one_token_after_the_other_recovers_the_joint_and_both_at_once_do_not() -> None:
    model = train_on_pairs()
    given = torch.ones(600, dtype=torch.bool)
    condition = Condition(**prompts(600), has_image=given, has_text=given)
    same_sign, correlation = {}, {}
    for num_steps in (2, 1):
        config = SamplingConfig(num_steps=num_steps, guidance_scale=1.0, alpha_schedule="off")
        first, second = sample_tokens(model, condition, config=config, seeds=range(600))[:, :, 0].T
        same_sign[num_steps] = float((first * second > 0).float().mean())
        correlation[num_steps] = float(torch.corrcoef(torch.stack([first, second]))[0, 1])
        assert 0.35 < float((first > 0).float().mean()) < 0.65  # each token alone is right in both
        assert abs(float(first.abs().mean()) - LEVEL) < 0.2
    # 600 fair coins agree in 0.50 ± 0.02: five standard errors are 0.10
    assert same_sign[2] > 0.95 and correlation[2] > 0.85, (same_sign, correlation)
    assert abs(same_sign[1] - 0.5) < 0.1 and abs(correlation[1]) < 0.2, (same_sign, correlation)
