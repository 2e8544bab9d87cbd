import fpsample
import numpy as np
import torch
from shapes import sphere

from ltm3d.geometry.surface_points import sample_surface
from ltm3d.tokenizers.point_queries import curve_codes, farthest_points, farthest_queries


def surface(count: int, seed: int = 0) -> torch.Tensor:
    samples = sample_surface(sphere(0.8), count, np.random.default_rng(seed))
    points = np.concatenate([samples.points, samples.normals], axis=1)
    return torch.from_numpy(points.astype(np.float16).astype(np.float32))


def test_farthest_points_are_those_of_an_independent_implementation() -> None:
    points = surface(500)[:, :3]
    index = farthest_points(points[None], 64)[0]
    expected = fpsample.fps_sampling(points.numpy(), 64, start_idx=int(index[0]))
    assert set(index.tolist()) == set(expected.tolist())


def test_the_order_of_the_points_does_not_matter_even_where_all_distances_are_equal() -> None:
    corners = torch.cartesian_prod(*3 * [torch.tensor([-0.5, 0.5])])  # of a cube: nothing but ties
    rows = torch.cat([corners, torch.randn(8, 3)], dim=1)
    for points, count in ((rows, 5), (surface(300), 32)):
        first = farthest_queries(points[None], count)
        for seed in range(5):
            torch.manual_seed(seed)
            shuffled = points[torch.randperm(len(points))]
            assert torch.equal(farthest_queries(shuffled[None], count), first)


def test_queries_are_points_of_the_shape_and_follow_the_curve() -> None:
    points = surface(300)
    queries = farthest_queries(torch.stack([points, surface(300, seed=1)]), 32)[0]
    assert {row.numpy().tobytes() for row in queries} <= {row.numpy().tobytes() for row in points}
    codes = curve_codes(queries[:, :3])
    assert (codes.diff() > 0).all()
    for position, code in zip(queries[:, :3].tolist(), codes.tolist(), strict=True):
        bits = [
            f"{int((value + 1) / 2 * 2**21):021b}" for value in reversed(position)
        ]  # z first, as geometry/morton.py
        assert int("".join(map("".join, zip(*bits, strict=True))), 2) == code
