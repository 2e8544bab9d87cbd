"""Points in cells, cells in patches, and the smooth field of values at cells: against closed forms."""

import pytest
import torch

from ltm3d.nn.cell_grid import average_in_cells, blur, cell_of, join_patches, read_field, read_on_grid

SIZE, PATCH = 8, 4


def centers(size: int) -> torch.Tensor:
    """[size, size, size, 3], indexed [x, y, z]."""
    axis = (2 * torch.arange(size) + 1) / size - 1
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1)


def kernel(distance: torch.Tensor) -> torch.Tensor:
    """φ, the hat blurred by [1, 2, 1]/4, along one axis; distances in cells."""
    hat = [(1 - (distance - shift).abs()).clamp(min=0) for shift in (-1, 0, 1)]
    return (hat[0] + 2 * hat[1] + hat[2]) / 4


def test_a_linear_field_is_read_exactly_off_its_own_samples() -> None:
    slope, height = torch.tensor([0.7, -1.3, 2.1]), 0.4
    queries = (2 * torch.rand(1, 500, 3) - 1) * (1 - 3 / SIZE)  # where the blur does not reach over the faces
    values = blur((centers(SIZE) @ slope + height)[None])
    torch.testing.assert_close(read_field(values, queries), queries @ slope + height, atol=1e-5, rtol=0)


def test_a_single_coefficient_is_the_kernel_and_all_of_one_are_one() -> None:
    queries = 2 * torch.rand(1, 2000, 3) - 1
    values = torch.zeros(1, SIZE, SIZE, SIZE)
    values[0, 3, 5, 2] = 1.0
    away = (queries - centers(SIZE)[3, 5, 2]) * SIZE / 2
    torch.testing.assert_close(read_field(blur(values), queries), kernel(away).prod(dim=-1), atol=1e-5, rtol=0)
    ones = read_field(blur(torch.ones(1, SIZE, SIZE, SIZE)), 1.2 * queries)
    torch.testing.assert_close(ones, torch.ones(1, 2000))


@pytest.mark.parametrize("count", [5, 33])
def test_a_whole_grid_is_read_as_its_points_are(count: int) -> None:
    values, axis = torch.randn(1, SIZE, SIZE, SIZE), torch.linspace(-1, 1, count)
    points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).reshape(1, -1, 3)
    torch.testing.assert_close(
        read_on_grid(values[0], axis).flatten(), read_field(values, points)[0], atol=1e-5, rtol=0
    )


def test_a_point_is_in_the_cell_whose_center_is_nearest() -> None:
    points = 2 * torch.rand(400, 3) - 1
    cell, place = cell_of(points, resolution=SIZE)
    nearest = torch.cdist(points, centers(SIZE).reshape(-1, 3)).argmin(dim=1)
    assert ((cell[:, 0] * SIZE + cell[:, 1]) * SIZE + cell[:, 2]).equal(nearest)
    torch.testing.assert_close(centers(SIZE).reshape(-1, 3)[nearest] + place / SIZE, points, atol=1e-6, rtol=0)
    outside, place = cell_of(torch.tensor([[1.5, -1.5, 1.0]]), resolution=SIZE)
    assert outside.tolist() == [[SIZE - 1, 0, SIZE - 1]] and place.abs().max() == 1


def test_cells_hold_means_and_patches_join_to_the_cube_they_were_taken_from() -> None:
    points, features = 2 * torch.rand(2, 300, 3) - 1, torch.randn(2, 300, 2)
    patches = average_in_cells(points, features, resolution=SIZE, patch=PATCH)
    assert patches.shape == (2, (SIZE // PATCH) ** 3, PATCH**3 * 6)
    by_channel = patches.unflatten(2, (PATCH**3, 6)).movedim(3, 0)
    cube = torch.stack([join_patches(each, patch=PATCH) for each in by_channel], dim=-1)
    cell, place = cell_of(points, resolution=SIZE)
    for row in range(2):
        for at in cell[row].unique(dim=0).tolist():
            here = (cell[row] == torch.tensor(at)).all(dim=1)
            expected = torch.cat([torch.ones(1), place[row, here].mean(dim=0), features[row, here].mean(dim=0)])
            torch.testing.assert_close(cube[row][tuple(at)], expected)
        taken = len(cell[row].unique(dim=0))
        assert cube[row, ..., 0].sum() == taken and cube[row].abs().sum(dim=-1).count_nonzero() == taken


@pytest.mark.parametrize("overlap", [1, 2])
def test_what_patches_reach_over_is_added_to_their_neighbours(overlap: int) -> None:
    count, side = SIZE // PATCH, PATCH + 2 * overlap
    values = torch.randn(2, count**3, side, side, side)
    expected = torch.zeros(2, *[SIZE + 2 * overlap] * 3)
    for index in range(count**3):
        x, y, z = (PATCH * (index // count**axis % count) for axis in (2, 1, 0))
        expected[:, x : x + side, y : y + side, z : z + side] += values[:, index]
    inner = slice(overlap, -overlap)
    joined = join_patches(values.flatten(2), patch=PATCH, overlap=overlap)
    torch.testing.assert_close(joined, expected[:, inner, inner, inner])


def test_the_blur_keeps_the_sum_but_for_the_faces() -> None:
    values = torch.zeros(1, SIZE, SIZE, SIZE)
    values[:, 2:-2, 2:-2, 2:-2] = torch.rand(SIZE - 4, SIZE - 4, SIZE - 4)
    assert blur(values).sum().item() == pytest.approx(values.sum().item(), rel=1e-5)
