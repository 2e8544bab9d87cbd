import numpy as np
import pytest
import torch
from toy_training import ToyExamples

from ltm3d.training.data import batch_indices, epoch_order, rank_positions, training_batch, validation_batch


def test_an_epoch_visits_each_example_once_and_the_next_in_another_order() -> None:
    first, second = (epoch_order(0, epoch, 10) for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(10))
    assert list(first) != list(second)
    assert list(epoch_order(1, 0, 10)) != list(first)


def test_epochs_follow_each_other_without_a_gap() -> None:
    visited = [i for step in range(5) for i in batch_indices(range(4), seed=0, step=step, batch_size=4, size=10)]
    assert visited == [*epoch_order(0, 0, 10), *epoch_order(0, 1, 10)]


def test_more_samples_a_step_than_examples() -> None:
    indices = batch_indices(range(7), seed=0, step=0, batch_size=7, size=3)
    assert sorted(indices[:3]) == sorted(indices[3:6]) == [0, 1, 2]


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_the_batch_of_a_step_does_not_depend_on_the_number_of_workers(world_size: int) -> None:
    examples = ToyExamples(21)

    def batch(positions: range) -> dict[str, torch.Tensor]:
        return training_batch(examples, positions, seed=5, step=9, batch_size=8)

    whole = batch(range(8))
    parts = [batch(rank_positions(rank, world_size, 8)) for rank in range(world_size)]
    for name, value in whole.items():
        assert torch.equal(torch.cat([part[name] for part in parts]), value)


def test_draws_differ_between_steps_and_are_fixed_in_validation() -> None:
    examples = ToyExamples(4)
    step_0, step_1 = (training_batch(examples, range(4), seed=0, step=step, batch_size=4) for step in (0, 1))
    noise = [batch["x"][:, 0] - torch.from_numpy(examples.x)[batch["index"]] for batch in (step_0, step_1)]
    assert not torch.allclose(noise[0].sort().values, noise[1].sort().values)
    one, all_of_them = validation_batch(examples, [2], seed=0), validation_batch(examples, range(4), seed=0)
    assert torch.equal(one["x"][0], all_of_them["x"][2])
    assert np.isfinite(all_of_them["y"]).all()
