"""The number of steps that fit is the largest that surely does; the costs are those of the device."""

from pathlib import Path

import pytest
from toy_training import ToyModel, toy_config, toy_examples

from ltm3d.errors import ConfigError
from ltm3d.training.budget import Costs, measure_costs
from ltm3d.training.loop import DistContext


def duration(costs: Costs, num_steps: int, *, validate_every: int, checkpoint_every: int) -> float:
    """Step by step, as `run_steps` goes."""
    seconds = 0.0
    for done in range(1, num_steps + 1):
        seconds += costs.step
        seconds += costs.validation * (done == num_steps or done % validate_every == 0)
        seconds += costs.checkpoint * (done == num_steps or done % checkpoint_every == 0)
    return seconds


@pytest.mark.parametrize("seconds", [10.0, 33.3, 100.0])
def test_the_run_ends_within_the_time_and_uses_nearly_all_of_it(seconds: float) -> None:
    costs = Costs(step=0.25, validation=1.0, checkpoint=2.5)
    config = toy_config(checkpoint_every=20, validate_every=7)
    count = costs.steps_within(seconds, config)
    taken = duration(costs, count, validate_every=7, checkpoint_every=20)
    assert taken <= seconds
    assert taken > seconds - costs.validation - costs.checkpoint - 2 * costs.step


def test_a_time_in_which_nothing_ends_is_refused() -> None:
    costs = Costs(step=0.25, validation=1.0, checkpoint=2.5)
    with pytest.raises(ConfigError, match=r"3\.0 s are left to train, one step with its end takes"):
        costs.steps_within(3.0, toy_config())


def test_costs_grow_with_what_an_example_takes(tmp_path: Path) -> None:
    delay = 0.004
    slow = measure_costs(
        ToyModel,
        toy_examples(delay=delay)(),
        toy_examples(count=16, delay=2 * delay)(),
        config=toy_config(),
        context=DistContext(),
        seconds=0.1,
        scratch=tmp_path,
    )
    assert slow.step >= 8 * delay
    assert slow.validation >= 16 * 2 * delay
    assert slow.checkpoint > 0
    assert not list(tmp_path.iterdir())
