"""Nearest neighbours against the table of all distances."""

import torch

from ltm3d.nn.nearest import match_nearest, nearest_index


def test_the_nearest_are_those_of_the_table_of_all_distances() -> None:
    one, other = torch.randn(3, 50, 3), torch.randn(3, 40, 3)
    torch.testing.assert_close(nearest_index(one, other), torch.cdist(one, other).argmin(dim=-1))


def test_distances_and_their_gradients_are_those_of_the_smallest_of_the_table() -> None:
    one, other = (torch.randn(2, n, 5, dtype=torch.float64, requires_grad=True) for n in (30, 20))
    distance, matched = match_nearest(one, other)
    smallest = torch.cdist(one[..., :3], other[..., :3]).min(dim=-1).values
    torch.testing.assert_close(distance, smallest)
    assert matched.shape == (2, 30, 5)
    gradients = (torch.autograd.grad(value.sum(), (one, other)) for value in (distance, smallest))
    for made, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(made, expected)


def test_equal_points_are_at_no_distance_and_their_gradient_is_finite() -> None:
    points = torch.randn(1, 10, 3, requires_grad=True)
    distance, _ = match_nearest(points, points.detach()[:, torch.randperm(10)])
    distance.sum().backward()
    assert distance.abs().max() == 0 and points.grad is not None and bool(points.grad.isfinite().all())
