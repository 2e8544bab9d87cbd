import math

import pytest
import torch

from ltm3d.errors import ConfigError
from ltm3d.generator.masking import MaskRatio, Schedule, draw_orders, known_after_steps, mask_last
from ltm3d.nn.randomness import SampleRandom


@pytest.mark.parametrize("num_tokens", [1, 2, 7, 64, 512])
@pytest.mark.parametrize("num_steps", [1, 2, 5, 16, 64, 1000])
@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_every_token_is_generated_exactly_once(num_tokens: int, num_steps: int, schedule: Schedule) -> None:
    known = known_after_steps(num_tokens, num_steps, schedule)
    assert len(known) == min(num_steps, num_tokens)
    assert known[-1] == num_tokens
    assert all(after > before for before, after in zip([0, *known], known, strict=False))


def test_the_schedule_is_the_cosine_where_it_may_be() -> None:
    known = known_after_steps(512, 16, "cosine")
    assert known[7] == 512 - math.floor(512 * math.cos(math.pi / 4))
    assert known[0] == 512 - math.floor(512 * math.cos(math.pi / 32))
    assert known_after_steps(512, 16, "linear") == list(range(32, 513, 32))


def test_an_order_is_a_permutation_a_sample_or_the_positions() -> None:
    orders = draw_orders(SampleRandom([1, 2]), 9, "random")
    assert orders.sort(dim=1).values.tolist() == [list(range(9))] * 2
    assert not torch.equal(orders[0], orders[1])
    assert draw_orders(SampleRandom([1, 2]), 9, "raster").tolist() == [list(range(9))] * 2


def test_no_step_is_an_error() -> None:
    with pytest.raises(ConfigError, match="num_steps is 0"):
        known_after_steps(4, 0, "cosine")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"minimum": 1.0}, "minimum mask ratio is 1.0"),
        ({"std": 0.0}, "std of the mask ratio is 0.0"),
        ({"center": 0.0, "std": 0.01}, "center of the mask ratio is 0.0"),
    ],
)
def test_a_mask_ratio_that_cannot_be_drawn_is_an_error(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MaskRatio(**settings)


def test_mask_ratio_is_a_truncated_normal() -> None:
    generator = torch.Generator().manual_seed(0)
    counts = torch.tensor([MaskRatio().draw_count(1000, generator) for _ in range(3000)]).float() / 1000
    assert float(counts.min()) >= 0.7
    assert float(counts.max()) <= 1.0
    normal = torch.distributions.Normal(1.0, 0.25)
    share_above_0_9 = (normal.cdf(torch.tensor(1.0)) - normal.cdf(torch.tensor(0.9))) / (
        normal.cdf(torch.tensor(1.0)) - normal.cdf(torch.tensor(0.7))
    )
    assert float((counts > 0.9).float().mean()) == pytest.approx(float(share_above_0_9), abs=0.03)


def test_the_last_of_the_order_are_masked() -> None:
    masked = mask_last(torch.tensor([[2, 0, 1], [0, 1, 2]]), 2)
    assert masked.tolist() == [[True, True, False], [False, True, True]]
