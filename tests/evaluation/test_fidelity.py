import numpy as np
import pytest

from ltm3d.evaluation.fidelity import shape_metrics, truth_of
from ltm3d.geometry.isosurface import grid_queries, marching_cubes
from ltm3d.geometry.mesh import Mesh


def sphere(radius: float, center: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Mesh:
    distance = np.linalg.norm(grid_queries(65) - center, axis=1) - radius
    return marching_cubes(distance.reshape(65, 65, 65).astype(np.float32))


QUERIES = np.random.default_rng(0).uniform(-1, 1, (40_000, 3)).astype(np.float32)


def inside(radius: float) -> np.ndarray:
    return np.linalg.norm(QUERIES, axis=1) < radius


def test_concentric_spheres_have_their_closed_form() -> None:
    truth = truth_of(sphere(0.6), inside=inside(0.6), num_points=20_000, seed=0)
    metrics = shape_metrics(truth, sphere(0.5), inside(0.5), thresholds=(0.05, 0.2), num_points=20_000, seed=0)
    assert metrics["chamfer_l1"] == pytest.approx(0.2, abs=0.01)
    assert metrics["f_score@0.05"] == 0.0
    assert metrics["f_score@0.2"] == 1.0
    assert metrics["volume_iou"] == pytest.approx((0.5 / 0.6) ** 3, abs=0.02)
    assert metrics["normal_consistency"] > 0.98


def test_an_empty_shape_is_measured_and_measured_badly() -> None:
    truth = truth_of(sphere(0.6), inside=inside(0.6), num_points=5000, seed=0)
    empty = shape_metrics(truth, None, None, thresholds=(0.05,), num_points=5000, seed=0)
    assert empty["chamfer_l1"] == pytest.approx(1.2, abs=0.02)  # 0.6 both ways
    assert empty["volume_iou"] == 0.0
    assert empty["f_score@0.05"] == 0.0


def test_the_same_seed_gives_the_same_metrics() -> None:
    truth = truth_of(sphere(0.6), inside=inside(0.6), num_points=2000, seed=3)
    again = truth_of(sphere(0.6), inside=inside(0.6), num_points=2000, seed=3)
    arguments = {"thresholds": (0.02,), "num_points": 2000, "seed": 3}
    assert shape_metrics(truth, sphere(0.5), inside(0.5), **arguments) == shape_metrics(  # type: ignore[arg-type]
        again,
        sphere(0.5),
        inside(0.5),
        **arguments,  # type: ignore[arg-type]
    )
