from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ltm3d.errors import ModelError
from ltm3d.training.ema import ParameterAverage
from ltm3d.training.layout import Part, Whole

TAKEN, SKIPPED = torch.tensor(True), torch.tensor(False)


class HalfOf:
    """The parts of one of two workers, as a stage of ZeRO would cut them; the cut goes through the bias."""

    owner = True

    def __init__(self, module: nn.Linear, rank: int) -> None:
        self.module = module
        self.rank = rank

    def parts(self) -> list[Part]:
        weight, bias = (value.detach().view(-1) for value in (self.module.weight, self.module.bias))
        return [Part("weight", 0, weight), Part("bias", 0, bias[:1])] if self.rank == 0 else [Part("bias", 1, bias[1:])]

    def spread(self) -> None: ...


def make_module(value: float, size: int = 1) -> nn.Linear:
    module = nn.Linear(1, size)
    nn.init.constant_(module.weight, value)
    nn.init.constant_(module.bias, value)
    return module


def average_of(module: nn.Module, decay: float = 0.5) -> ParameterAverage:
    return ParameterAverage(Whole(module), decay)


def test_the_average_follows_its_formula() -> None:
    module = make_module(0.0)
    average = average_of(module)
    expected = 0.0
    for step in range(20):
        nn.init.constant_(module.weight, float(step))
        average.update(step, TAKEN)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert average.averages["weight", 0].item() == pytest.approx(expected, rel=1e-5)


def test_of_constant_parameters_the_start_fades_by_the_product_of_the_decays() -> None:
    """While warming up, Π (1 + t)/(10 + t) over t < n is 9! n! / (n + 9)!."""
    module = make_module(1.0)
    average = average_of(module, decay=0.9999)
    nn.init.constant_(module.weight, 0.0)
    for step in range(5):
        average.update(step, TAKEN)
    assert average.averages["weight", 0].item() == pytest.approx(362880 * 120 / 87178291200, rel=1e-5)


def test_a_skipped_step_leaves_the_averages_bit_by_bit() -> None:
    module = make_module(0.3)
    average = average_of(module)
    nn.init.constant_(module.weight, 1.7)
    average.update(0, TAKEN)
    before = average.averages["weight", 0].clone()
    average.update(1, SKIPPED)
    assert torch.equal(average.averages["weight", 0], before)


def test_the_decay_warms_up() -> None:
    average = average_of(make_module(0.0), decay=0.999)
    assert average.decay_at(0) == pytest.approx(0.1)
    assert average.decay_at(90) == pytest.approx(0.91)
    assert average.decay_at(10**6) == 0.999


def test_averages_are_lent_and_taken_back() -> None:
    module = make_module(1.0)
    average = average_of(module)
    nn.init.constant_(module.weight, 3.0)
    with pytest.raises(RuntimeError), average.applied():
        assert module.weight.item() == 1.0
        raise RuntimeError
    assert module.weight.item() == 3.0


def test_averages_come_back_for_another_number_of_workers(tmp_path: Path) -> None:
    values = torch.tensor([2.0, 3.0, 5.0])
    module = make_module(0.0, size=3)
    with torch.no_grad():
        module.bias.copy_(values)
    for rank in (0, 1):
        ParameterAverage(HalfOf(module, rank), 0.5).save(tmp_path, rank)
    whole = average_of(make_module(7.0, size=3))
    whole.load(tmp_path)
    assert torch.equal(whole.averages["bias", 0], values)
    halves = [ParameterAverage(HalfOf(make_module(7.0, size=3), rank), 0.5) for rank in (0, 1)]
    one_worker = tmp_path / "one"
    one_worker.mkdir()
    whole.save(one_worker, 0)
    for half in halves:
        half.load(one_worker)
    parts: list[Tensor] = [halves[0].averages["bias", 0], halves[1].averages["bias", 1]]
    assert torch.equal(torch.cat(parts), values)


def test_an_average_that_is_not_all_there_is_an_error(tmp_path: Path) -> None:
    ParameterAverage(HalfOf(make_module(2.0, size=3), 0), 0.5).save(tmp_path, 0)
    with pytest.raises(ModelError, match="lacks 2 numbers"):
        average_of(make_module(0.0, size=3)).load(tmp_path)


def test_only_one_of_several_equal_workers_writes(tmp_path: Path) -> None:
    ParameterAverage(Whole(make_module(2.0), rank=1), 0.5).save(tmp_path, 1)
    assert not list(tmp_path.iterdir())


def test_frozen_parameters_are_left_out() -> None:
    module = make_module(1.0)
    module.bias.requires_grad_(False)
    assert set(average_of(module).averages) == {("weight", 0)}
