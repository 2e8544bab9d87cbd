import torch

from ltm3d.nn.randomness import SampleRandom, StepRandom, mix


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    whole = StepRandom(3, 5, range(6))
    part = StepRandom(3, 5, [2, 3])
    assert torch.equal(whole.normal(4, 2)[2:4], part.normal(4, 2))
    assert torch.equal(whole.permutation(9)[2:4], part.permutation(9))
    assert torch.equal(whole.uniform(3)[2:4], part.uniform(3))


def test_shared_draws_are_the_same_on_all_ranks_and_new_each_step() -> None:
    first, second = StepRandom(0, 1, [0, 1]), StepRandom(0, 1, [2, 3])
    assert torch.equal(torch.rand(3, generator=first.shared), torch.rand(3, generator=second.shared))
    other_step = StepRandom(0, 2, [0, 1])
    assert not torch.equal(StepRandom(0, 1, [0, 1]).normal(3), other_step.normal(3))


def test_streams_are_distinct_and_normal() -> None:
    seeds = [mix(a, b) for a in range(20) for b in range(20)]
    assert len(set(seeds)) == 400
    draws = SampleRandom(seeds).normal(100)
    assert abs(float(draws.mean())) < 0.02
    assert abs(float(draws.std()) - 1) < 0.02
    correlation = torch.corrcoef(draws) - torch.eye(400)
    assert float(correlation.abs().max()) < 0.6
