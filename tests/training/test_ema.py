import pytest
import torch
from torch import nn

from ltm3d.training.ema import ParameterAverage


def make_module(value: float) -> nn.Linear:
    module = nn.Linear(1, 1)
    nn.init.constant_(module.weight, value)
    nn.init.constant_(module.bias, value)
    return module


def test_the_average_follows_its_formula() -> None:
    module = make_module(0.0)
    average = ParameterAverage(module, decay=0.5)
    expected = 0.0
    for step in range(20):
        nn.init.constant_(module.weight, float(step))
        average.update(module, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert average.averages["weight"].item() == pytest.approx(expected, rel=1e-5)


def test_the_decay_warms_up() -> None:
    average = ParameterAverage(make_module(0.0), decay=0.999)
    assert average.decay_at(0) == pytest.approx(0.1)
    assert average.decay_at(90) == pytest.approx(0.91)
    assert average.decay_at(10**6) == 0.999


def test_averages_are_lent_and_taken_back() -> None:
    module = make_module(1.0)
    average = ParameterAverage(module, decay=0.5)
    nn.init.constant_(module.weight, 3.0)
    with pytest.raises(RuntimeError), average.applied_to(module):
        assert module.weight.item() == 1.0
        raise RuntimeError
    assert module.weight.item() == 3.0


def test_averages_come_back_from_a_checkpoint() -> None:
    kept = ParameterAverage(make_module(2.0), decay=0.5)
    fresh = ParameterAverage(make_module(0.0), decay=0.5)
    fresh.load(kept.averages)
    assert torch.equal(fresh.averages["bias"], torch.tensor([2.0]))


def test_frozen_parameters_are_left_out() -> None:
    module = make_module(1.0)
    module.bias.requires_grad_(False)
    assert set(ParameterAverage(module, decay=0.5).averages) == {"weight"}
