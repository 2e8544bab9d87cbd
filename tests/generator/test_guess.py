"""x̂ as an input: withheld it is nothing, in training it is frozen and noisy, and it does not take the choice away."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_tokens import SHAPE, batch_of, is_nearest, memorise, randomize

from ltm3d.diffusion.flow_matching import FlowMatching
from ltm3d.errors import ConfigError
from ltm3d.generator.dit import Dit, DitConfig
from ltm3d.generator.guess import Guess, draw_guess
from ltm3d.generator.kinds import build_trainable, load_generator, uses_ltr
from ltm3d.generator.ltr import LTR, LTRConfig
from ltm3d.generator.memory import activation_bytes
from ltm3d.generator.model import Generator, GeneratorConfig
from ltm3d.generator.prefix import Condition
from ltm3d.generator.sampling import SamplingConfig, sample_at_once, sample_tokens
from ltm3d.generator.standardization import ChannelStatistics, ConditionStatistics
from ltm3d.generator.token_model import TokenShape
from ltm3d.nn.randomness import StepRandom
from ltm3d.nn.weights import load_config, save_model

CONFIG = GeneratorConfig(
    width=32,
    encoder_depth=1,
    decoder_depth=1,
    num_heads=4,
    num_prefix=3,
    denoiser_width=32,
    denoiser_depth=1,
    flow=FlowMatching(num_steps=4),
    masked_input="guess",
)
DIT = DitConfig(width=32, depth=1, num_heads=4, num_prefix=3, takes_guess=True, flow=FlowMatching(num_steps=4))
PLAIN = SamplingConfig(num_steps=4, guidance_scale=1.0, alpha_schedule="off")
BOTH = torch.ones(4, dtype=torch.bool)


def built(config: GeneratorConfig | DitConfig, shape: TokenShape = SHAPE) -> Generator | Dit:
    torch.manual_seed(0)
    model = Dit(config, shape) if isinstance(config, DitConfig) else Generator(config, shape)
    randomize(model.eval())
    return model


def sampled(
    model: Generator | Dit, condition: Condition, guess: torch.Tensor | None, config: SamplingConfig = PLAIN
) -> torch.Tensor:
    sample = sample_at_once if isinstance(model, Dit) else sample_tokens
    return sample(model, condition, config=config, seeds=range(4), reconstructed=guess)  # type: ignore[arg-type]


@pytest.mark.parametrize("config", [CONFIG, DIT], ids=["masked", "dit"])
def test_without_the_guess_it_is_the_model_that_never_had_one(
    config: GeneratorConfig | DitConfig, condition: Condition
) -> None:
    model = built(config)
    off = {"takes_guess": False} if isinstance(config, DitConfig) else {"masked_input": "mask_token"}
    plain = built(replace(config, **off))  # type: ignore[arg-type]
    plain.load_state_dict({name: value for name, value in model.state_dict().items() if "guess_input" not in name})
    guess = torch.randn(4, 8, 4)
    without = sampled(plain, condition, None)
    assert torch.equal(sampled(model, condition, None), without)
    assert torch.equal(sampled(model, condition, guess, replace(PLAIN, use_guess=False)), without)
    assert torch.equal(sampled(plain, condition, guess), without)  # it takes none
    assert not torch.allclose(sampled(model, condition, guess), without, atol=1e-2)


def test_each_row_sees_its_own_guess_at_masked_positions_alone(condition: Condition) -> None:
    model = built(CONFIG)
    assert isinstance(model, Generator)
    prefix, tokens, guess = model.encode_prefix(condition), torch.randn(4, 8, 4), torch.randn(4, 8, 4)
    masked = torch.arange(8).expand(4, -1) >= 3

    def steered(guess: Guess | None) -> torch.Tensor:
        return model.token_modulations(prefix, tokens, masked, guess=guess).unflatten(0, (4, 5))

    given = torch.tensor([True, False, True, False])
    with_some, without = steered(Guess(guess, given)), steered(None)
    assert torch.equal(with_some[~given], without[~given])
    assert ((with_some - without)[given].abs().amax(dim=(1, 2)) > 1e-3).all()
    at_known = guess.clone()
    at_known[:, :3] = 100.0
    assert torch.equal(steered(Guess(at_known, given)), with_some)


def test_guidance_compares_with_a_prompt_that_has_no_guess(condition: Condition) -> None:
    """At scale 0 only the branch without a prompt counts, and x̂ is none of it."""
    config = replace(PLAIN, guidance_scale=0.0, guidance_schedule="constant")
    model = built(CONFIG)
    assert torch.equal(sampled(model, condition, torch.randn(4, 8, 4), config), sampled(model, condition, None, config))


def test_training_draws_noise_up_to_its_bound_and_withholds_the_share() -> None:
    count, guess = 4000, torch.zeros(4000, 8, 4)
    prompt = torch.zeros(count, 1, 1)
    seen = torch.rand(count) < 0.9
    prompts = Condition(
        prompt, prompt, torch.ones(count, 1, dtype=torch.bool), has_image=seen, has_text=torch.zeros_like(seen)
    )
    drawn = draw_guess(guess, prompts, StepRandom(0, 0, range(count)), noise=0.3, dropout=0.2)
    spread = drawn.tokens.std(dim=(1, 2))
    assert 0.14 < float(spread.mean()) < 0.16 and float(spread.max()) < 0.45  # of U(0, 0.3), by 32 values each
    assert not bool(drawn.given[~seen].any())
    assert float(drawn.given[seen].float().mean()) == pytest.approx(0.8, abs=0.03)
    again = draw_guess(guess[:5], rows_of(prompts, 5), StepRandom(0, 0, range(5)), noise=0.3, dropout=0.2)
    assert torch.equal(again.tokens, drawn.tokens[:5])  # a row is its own, whatever the batch


def rows_of(prompts: Condition, count: int) -> Condition:
    return Condition(
        prompts.image_tokens[:count],
        prompts.text_tokens[:count],
        prompts.text_mask[:count],
        prompts.has_image[:count],
        prompts.has_text[:count],
    )


@pytest.mark.parametrize("config", [CONFIG, DIT], ids=["masked", "dit"])
def test_gradients_do_not_reach_the_module(
    config: GeneratorConfig | DitConfig, ltr: LTR, condition: Condition, tmp_path: Path
) -> None:
    assert uses_ltr(config)
    ltr.save(tmp_path, tokenizer_hash="x")
    channels = [
        ChannelStatistics(mean=np.zeros(width, np.float32), std=np.ones(width, np.float32)) for width in (12, 10)
    ]
    statistics = ConditionStatistics(image=channels[0], text=channels[1])
    model = build_trainable(config, SHAPE, statistics, tmp_path)
    batch = {
        name: value.requires_grad_() if value.is_floating_point() else value
        for name, value in batch_of(condition).items()
    }
    kept = [value.clone() for value in model._ltr[0].parameters()]
    memorise(model, {name: value.detach() for name, value in batch.items()}, 2)
    loss, _ = model.training_loss(batch, StepRandom(0, 1, range(4)))
    loss.backward()
    (module,) = model._ltr
    assert not module.training and all(value.grad is None for value in module.parameters())
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), kept, strict=True))
    assert not any("ltr" in name for name in model.state_dict())
    weights = next(value for name, value in model.named_parameters() if "guess_input.project.weight" in name)
    assert weights.grad is not None and bool(weights.grad.any())


def test_it_memorises_with_the_guess_and_without(ltr: LTR, condition: Condition) -> None:
    torch.manual_seed(0)
    model = Generator(replace(CONFIG, encoder_depth=2, denoiser_depth=2, guess_dropout=0.5), SHAPE)
    model.set_ltr(ltr)
    batch = batch_of(condition)
    memorise(model, batch, 500)
    given = replace(condition, has_image=BOTH, has_text=BOTH)
    with torch.no_grad():
        guess = ltr(given)
    for each in (guess, None):
        assert is_nearest(sampled(model, given, each, replace(PLAIN, num_steps=8)), batch["mean"])


def test_models_of_before_load(tmp_path: Path, condition: Condition) -> None:
    """Their settings lack the new keys, their weights the map."""
    new = ("masked_input", "guess_noise", "guess_dropout", "takes_guess")
    for name, config in (
        ("masked", replace(CONFIG, masked_input="mask_token")),
        ("dit", replace(DIT, takes_guess=False)),
    ):
        model = built(config)
        assert not any("guess" in key for key in model.state_dict())
        settings = {key: value for key, value in asdict(config).items() if key not in new}
        save_model(tmp_path / name, model, {"model": settings, "shape": asdict(SHAPE), "tokenizer_hash": "x"})
        loaded = load_generator(tmp_path / name)
        assert loaded.config == config and not loaded.takes_guess
        assert torch.equal(sampled(loaded, condition, None), sampled(model, condition, None))
    built(CONFIG).save(tmp_path / "new", tokenizer_hash="x")
    assert load_config(tmp_path / "new")["model"]["masked_input"] == "guess"
    assert load_generator(tmp_path / "new").takes_guess


def test_what_a_sample_takes_is_found_with_a_guess_too() -> None:
    plain, with_guess = (
        activation_bytes(replace(CONFIG, masked_input=each), SHAPE, num_condition_tokens=6, precision=None)  # type: ignore[arg-type]
        for each in ("mask_token", "guess")
    )
    assert with_guess[1] > plain[1] > 0


@pytest.mark.parametrize("wrong", [{"guess_noise": -0.1}, {"guess_dropout": 1.5}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    for config in (CONFIG, DIT):
        with pytest.raises(ConfigError, match="guess_"):
            replace(config, **wrong)  # type: ignore[arg-type]


def test_of_two_equally_likely_answers_each_is_drawn_half_the_time() -> None:
    """One prompt, two shapes; x̂ is their mean. At the default sampling, and at temperature 1."""
    answers, spread, batch_size = torch.randn(2, 6, 2, generator=torch.Generator().manual_seed(3)), 0.1, 64
    shape = TokenShape(num_tokens=6, token_dim=2, image_width=4, text_width=4)
    torch.manual_seed(0)
    module = LTR(LTRConfig(width=16, depth=1, num_heads=2, single_modality=0.2), shape)
    model = Generator(replace(CONFIG, denoiser_width=64, denoiser_depth=2, flow=FlowMatching(num_steps=12)), shape)
    random = torch.Generator().manual_seed(1)

    def batches(step: int) -> dict[str, torch.Tensor]:
        which = torch.randint(0, 2, (batch_size,), generator=random)
        tokens = answers[which] + spread * torch.randn(batch_size, 6, 2, generator=random)
        return {"mean": tokens, "std": torch.zeros_like(tokens), **same_prompt(batch_size)}

    for trained, num_steps in ((module, 150), (model, 500)):
        optimizer = torch.optim.AdamW(trained.parameters(), lr=3e-3, weight_decay=0.0)
        for step in range(num_steps):
            # A constant rate leaves the last steps' noise in the weights, which tilts the shares.
            optimizer.param_groups[0]["lr"] = 3e-3 * (1 - step / num_steps)
            loss, _ = trained.training_loss(batches(step), StepRandom(0, step, range(batch_size)))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
            optimizer.step()
        trained.eval()
        model.set_ltr(module)
    given = torch.ones(400, dtype=torch.bool)
    condition = Condition(**same_prompt(400), has_image=given, has_text=given)
    guess = model.reconstruct(condition)
    apart = (answers[0] - answers[1]).norm()
    assert (guess[0] - answers.mean(dim=0)).norm() < 0.2 * apart
    for temperature in (0.3, 1.0):
        config = SamplingConfig(num_steps=12, guidance_scale=1.0, alpha_schedule="off", temperature=temperature)
        tokens = sample_tokens(model, condition, config=config, seeds=range(400), reconstructed=guess)
        near = torch.cdist(tokens.flatten(1), answers.flatten(1)) < 0.3 * apart
        shares = near.float().mean(dim=0)
        assert float(shares.min()) >= 0.4 and float(shares.max()) <= 0.6, (temperature, shares)
        assert float((~near.any(dim=1)).float().mean()) <= 0.05, temperature


def same_prompt(count: int) -> dict[str, torch.Tensor]:
    return {
        "image_tokens": torch.ones(count, 1, 4),
        "text_tokens": torch.ones(count, 1, 4),
        "text_mask": torch.ones(count, 1, dtype=torch.bool),
    }
