import pytest
import torch
from torch import nn
from toy_training import ToyModel

from ltm3d.training.layout import Sliced, Whole, trainable


@pytest.mark.parametrize("world_size", [1, 2, 3, 7])
def test_slices_cover_every_parameter_once_and_are_of_one_size(world_size: int) -> None:
    model = ToyModel()
    model.head.requires_grad_(False)
    seen = {name: torch.zeros(value.numel()) for name, value in trainable(model)}
    assert not any(name.startswith("head") for name in seen)
    sizes = []
    for rank in range(world_size):
        parts = Sliced(model, rank=rank, world_size=world_size).parts()
        sizes.append(sum(len(values) for _, _, values in parts))
        for name, start, values in parts:
            seen[name][start : start + len(values)] += 1
            values.fill_(rank)
    assert all(bool((count == 1).all()) for count in seen.values())
    share = -(-sum(sizes) // world_size)
    assert all(size == share for size in sizes[:-1]) and sizes[-1] <= share
    written = torch.cat([value.detach().flatten() for _, value in trainable(model)])
    assert torch.equal(written, torch.arange(len(written)).div(share, rounding_mode="floor").float())


def test_whole_parameters_are_the_first_workers() -> None:
    model = nn.Linear(2, 3)
    assert Whole(model).owner and not Whole(model, rank=1).owner
    (name, start, values), _ = Whole(model).parts()
    values.zero_()
    assert (name, start) == ("weight", 0) and not bool(model.weight.any())
