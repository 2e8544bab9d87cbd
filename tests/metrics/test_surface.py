import numpy as np
import pytest
from scipy.spatial import cKDTree
from shapes import sphere, torus, uniform_points

from ltm3d.geometry.surface_points import sample_surface
from ltm3d.metrics.surface import chamfer_l1, f_score, nearest, normal_consistency, surface_metrics


def sphere_samples(radius: float, seed: int = 0):
    return sample_surface(sphere(radius, subdivisions=5), 20_000, np.random.default_rng(seed))


def test_nearest_is_that_of_brute_force() -> None:
    queries, points = uniform_points(200, 0), uniform_points(300, 1)
    distance, index = nearest(queries, points)
    every = np.linalg.norm(queries[:, None] - points, axis=2)
    assert np.array_equal(index, every.argmin(axis=1))
    assert distance == pytest.approx(every.min(axis=1), abs=1e-6)


def test_metrics_of_two_points_by_hand() -> None:
    a = np.array([[0, 0, 0], [1, 0, 0]], np.float32)
    b = np.array([[0, 0, 0.1]], np.float32)
    far = np.sqrt(1.01)
    assert chamfer_l1(a, b) == pytest.approx((0.1 + far) / 2 + 0.1)
    assert f_score(a, b, 0.2) == pytest.approx(2 * 0.5 * 1.0 / 1.5)
    assert f_score(a, b, 0.05) == 0.0


def test_spheres_of_two_sizes_differ_by_their_radii() -> None:
    a, b = sphere_samples(0.8).points, sphere_samples(0.75, 1).points
    assert chamfer_l1(a, b) == pytest.approx(0.1, rel=0.05)  # both ways summed
    assert f_score(a, b, 0.04) == 0.0 and f_score(a, b, 0.07) == 1.0


def test_the_same_surface_drawn_twice_is_close_and_symmetric() -> None:
    a, b = sphere_samples(0.8), sphere_samples(0.8, 1)
    assert chamfer_l1(a.points, b.points) < 0.02
    assert chamfer_l1(a.points, b.points) == pytest.approx(chamfer_l1(b.points, a.points))
    assert normal_consistency(a.points, a.normals, b.points, b.normals) > 0.995


def test_normals_count_whatever_their_sign_and_fall_when_turned() -> None:
    a, b = sphere_samples(0.8), sphere_samples(0.8, 1)
    assert normal_consistency(a.points, a.normals, b.points, -b.normals) > 0.995
    quarter = np.stack([-b.normals[:, 1], b.normals[:, 0], b.normals[:, 2]], axis=1)
    assert normal_consistency(a.points, a.normals, b.points, quarter) == pytest.approx(1 / 3, abs=0.02)


def test_all_metrics_at_once_are_the_single_ones() -> None:
    a, b = sphere_samples(0.8), sphere_samples(0.78, 1)
    metrics = surface_metrics(
        a.points, b.points, thresholds=(0.01, 0.02, 0.05), normals_a=a.normals, normals_b=b.normals
    )
    assert list(metrics) == ["chamfer_l1", "f_score@0.01", "f_score@0.02", "f_score@0.05", "normal_consistency"]
    assert metrics["chamfer_l1"] == pytest.approx(chamfer_l1(a.points, b.points))
    assert metrics["f_score@0.02"] == pytest.approx(f_score(a.points, b.points, 0.02))
    expected = normal_consistency(a.points, a.normals, b.points, b.normals)
    assert metrics["normal_consistency"] == pytest.approx(expected)
    assert "normal_consistency" not in surface_metrics(a.points, b.points, thresholds=())


def test_an_empty_set_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        chamfer_l1(np.zeros((0, 3), np.float32), uniform_points(3))


def test_metrics_are_those_of_scipy_in_double_precision() -> None:
    a, b = sphere_samples(0.8), sample_surface(torus(), 15_000, np.random.default_rng(1))
    (distance_a, index_b), (distance_b, index_a) = (
        cKDTree(there.points.astype(np.float64)).query(here.points.astype(np.float64))
        for here, there in ((a, b), (b, a))
    )
    metrics = surface_metrics(a.points, b.points, thresholds=(0.05, 0.2), normals_a=a.normals, normals_b=b.normals)
    assert metrics["chamfer_l1"] == pytest.approx(distance_a.mean() + distance_b.mean(), rel=1e-6)
    for threshold in (0.05, 0.2):
        precision, recall = np.mean(distance_a < threshold), np.mean(distance_b < threshold)
        assert metrics[f"f_score@{threshold:g}"] == pytest.approx(
            2 * precision * recall / (precision + recall), abs=1e-4
        )
    cosines = [
        np.abs((a.normals * b.normals[index_b]).sum(axis=1)),
        np.abs((b.normals * a.normals[index_a]).sum(axis=1)),
    ]
    assert metrics["normal_consistency"] == pytest.approx((cosines[0].mean() + cosines[1].mean()) / 2, abs=1e-5)


def test_distances_are_those_of_open3d() -> None:
    import open3d

    a, b = sphere_samples(0.8).points, uniform_points(10_000)
    clouds = [open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points)) for points in (a, b)]
    forth, back = (np.asarray(clouds[i].compute_point_cloud_distance(clouds[1 - i])) for i in (0, 1))
    assert chamfer_l1(a, b) == pytest.approx(forth.mean() + back.mean(), rel=1e-6)
    assert nearest(a, b)[0] == pytest.approx(forth, abs=1e-6)
