"""LTR: what it looks at in training."""

from dataclasses import replace

import pytest
import torch
from tiny_tokens import SHAPE

from ltm3d.errors import ConfigError
from ltm3d.generator.ltr import LTR, LTRConfig, hide
from ltm3d.generator.prefix import NUM_ABSENT, Condition
from ltm3d.nn.randomness import StepRandom

CONFIG = LTRConfig(width=32, depth=1, num_heads=4)


class Draws(StepRandom):
    """Draws that are given: below the share where a token is to be hidden."""

    def __init__(self, hidden: torch.Tensor) -> None:
        super().__init__(0, 0, range(len(hidden)))
        self.hidden = hidden

    def uniform(self, *shape: int) -> torch.Tensor:
        assert (len(self.hidden), *shape) == tuple(self.hidden.shape)
        return torch.where(self.hidden, 0.0, 0.999)


def test_hidden_tokens_are_not_looked_at(condition: Condition) -> None:
    torch.manual_seed(0)
    model = LTR(replace(CONFIG, token_dropout=0.3), SHAPE)
    num_image = condition.image_tokens.shape[1]
    hidden = torch.zeros(4, NUM_ABSENT + num_image + condition.text_tokens.shape[1], dtype=torch.bool)
    hidden[:, NUM_ABSENT] = True  # the first patch
    changed = condition.image_tokens.clone()
    changed[:, 0] += 5
    other = replace(condition, image_tokens=changed)
    assert torch.equal(model(condition, Draws(hidden)), model(other, Draws(hidden)))
    with_image = condition.has_image
    assert not torch.allclose(model(condition)[with_image], model(other)[with_image])


def test_nothing_is_hidden_without_draws_at_zero_or_in_validation(condition: Condition) -> None:
    torch.manual_seed(0)
    dropping = LTR(replace(CONFIG, token_dropout=0.5), SHAPE)
    plain = LTR(CONFIG, SHAPE)
    plain.load_state_dict(dropping.state_dict())
    random = StepRandom(0, 0, range(4))
    assert torch.equal(dropping(condition), plain(condition))
    assert torch.equal(plain(condition, random), plain(condition))
    assert not torch.equal(dropping(condition, random), plain(condition))
    assert torch.equal(dropping.eval()(condition, random), plain(condition))


def test_a_row_of_which_nothing_is_left_keeps_all() -> None:
    visible = torch.tensor([[True, True, False], [False, True, True]])
    draws = torch.tensor([[0.1, 0.2, 0.9], [0.9, 0.1, 0.8]])
    assert hide(visible, draws, 0.3).tolist() == [[True, True, False], [False, False, True]]


def test_the_share_that_is_hidden() -> None:
    kept = hide(torch.ones(200, 50, dtype=torch.bool), StepRandom(0, 0, range(200)).uniform(50), 0.3).float().mean()
    assert abs(float(kept) - 0.7) < 0.02  # four standard deviations of 10,000 draws


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match=f"token_dropout is {share}"):
        replace(CONFIG, token_dropout=share)


def test_how_often_an_image_stands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def seen(config: LTRConfig) -> list[float]:
        model, prompts = LTR(config, SHAPE), []
        monkeypatch.setattr(
            model, "forward", lambda condition, random: prompts.append(condition) or torch.zeros(count, *size)
        )
        model.training_loss(batch, StepRandom(0, 0, range(count)))
        image, text = prompts[0].has_image, prompts[0].has_text
        return [float(each.float().mean()) for each in (image & ~text, text & ~image, ~image & ~text)]

    count, size = 4_000, (SHAPE.num_tokens, SHAPE.token_dim)
    batch = {
        "mean": torch.randn(count, *size),
        "image_tokens": torch.zeros(count, 1, SHAPE.image_width),
        "text_tokens": torch.zeros(count, 1, SHAPE.text_width),
        "text_mask": torch.ones(count, 1, dtype=torch.bool),
    }
    for config, shares in (
        (CONFIG, (0.5, 0.25, 0.02)),
        (replace(CONFIG, single_modality=0.15, image_alone=0.6), (0.6, 0.15, 0.02)),
    ):
        for found, share in zip(seen(config), shares, strict=True):
            assert found == pytest.approx(share, abs=4 * (share * (1 - share) / count) ** 0.5)


@pytest.mark.parametrize("shares", [{"single_modality": 0.5}, {"image_alone": 0.8}, {"image_alone": -0.1}])
def test_shares_of_prompts_that_cannot_be_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"image alone .*, text alone"):
        replace(CONFIG, **shares)
