import numpy as np
import pytest
from shapes import sphere_distance, uniform_points

from ltm3d.metrics.volume import iou


def test_iou_of_nested_spheres_is_the_ratio_of_their_volumes() -> None:
    points = uniform_points(200_000)
    figure = iou(sphere_distance(points, 0.5) < 0, sphere_distance(points, 0.8) < 0)
    assert figure == pytest.approx((0.5 / 0.8) ** 3, abs=0.01)


def test_limits() -> None:
    full, empty = np.ones(4, bool), np.zeros(4, bool)
    assert iou(full, full) == 1.0 and iou(full, empty) == 0.0 and iou(empty, empty) == 1.0
