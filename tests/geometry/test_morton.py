import numpy as np
from shapes import uniform_points

from ltm3d.geometry.morton import morton_order


def test_morton_order_is_a_permutation_that_keeps_neighbours_together() -> None:
    points = uniform_points(4096)
    order = morton_order(points)
    assert np.array_equal(np.sort(order), np.arange(4096))
    step = np.linalg.norm(np.diff(points[order], axis=0), axis=1).mean()
    assert step < 0.2 * np.linalg.norm(np.diff(points, axis=0), axis=1).mean()
    assert len(morton_order(points[:0])) == 0
    assert morton_order(np.zeros((5, 3), np.float32)).tolist() == [0, 1, 2, 3, 4]
