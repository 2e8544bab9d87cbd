import numpy as np
import pytest
from scipy.spatial.distance import cdist
from shapes import box, sphere, torus, uniform_points

from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.surface_points import sample_surface
from ltm3d.metrics.earth_mover import earth_mover
from ltm3d.metrics.sets import SetMetrics, chamfer_matrix, earth_mover_matrix, set_metrics
from ltm3d.metrics.surface import chamfer_l1


def points_of(meshes: list[Mesh], count: int = 256) -> np.ndarray:
    return np.stack([sample_surface(mesh, count, np.random.default_rng(i)).points for i, mesh in enumerate(meshes)])


def metrics_of(predicted: np.ndarray, true: np.ndarray) -> SetMetrics:
    return set_metrics(chamfer_matrix(predicted, true), chamfer_matrix(predicted), chamfer_matrix(true))


def blobs(count: int, *, seed: int, center: float = 0.0) -> np.ndarray:
    """Shapes of one distribution: 64 points around a random place near the centre."""
    rng = np.random.default_rng(seed)
    places = rng.normal(center, 0.3, (count, 1, 3))
    return (places + rng.normal(0, 0.1, (count, 64, 3))).astype(np.float32)


def test_distances_are_those_of_brute_force() -> None:
    a, b = points_of([sphere(0.8), box(), torus()]), points_of([sphere(0.5), torus(0.5, 0.1)], 300)
    expected = [[cdist(x, y).min(axis=1).mean() + cdist(x, y).min(axis=0).mean() for y in b] for x in a]
    assert chamfer_matrix(a, b) == pytest.approx(np.array(expected), abs=1e-6)
    assert chamfer_matrix(a, b)[1, 0] == pytest.approx(chamfer_l1(a[1], b[0]), abs=1e-6)


def test_within_one_set_is_the_set_against_itself() -> None:
    a = points_of([sphere(0.8), box(), torus()])
    assert chamfer_matrix(a) == pytest.approx(chamfer_matrix(a, a), abs=1e-7)
    assert np.array_equal(np.diag(chamfer_matrix(a)), np.zeros(3))
    assert earth_mover_matrix(a) == pytest.approx(earth_mover_matrix(a, a), abs=1e-7)
    assert earth_mover_matrix(a, a)[0, 2] == pytest.approx(earth_mover(a[0], a[2]), abs=1e-9)


def test_spheres_of_two_sizes_differ_by_their_radii() -> None:
    """Chamfer both ways summed."""
    a, b = points_of([sphere(0.8, subdivisions=5)], 4096), points_of([sphere(0.6, subdivisions=5)], 4096)
    assert chamfer_matrix(a, b)[0, 0] == pytest.approx(0.4, rel=0.02)


def test_translated_cubes_are_nearest_to_their_own() -> None:
    """Cubes 1 apart in a row, all moved by 0.1: each finds its own, MMD is what the movement costs."""
    cube = uniform_points(200) / 2
    row = np.stack([cube + np.array([float(i), 0, 0], np.float32) for i in range(8)])
    moved = row + np.array([0.1, 0, 0], np.float32)
    metrics = metrics_of(moved, row)
    assert metrics.mmd == pytest.approx(chamfer_l1(cube, cube + np.array([0.1, 0, 0], np.float32)), abs=1e-5)
    assert metrics.coverage == 1 and metrics.nn_accuracy == 0


def test_a_set_against_itself_and_in_another_order() -> None:
    shapes = blobs(20, seed=0)
    other_order = np.stack([points[np.random.default_rng(1).permutation(64)] for points in shapes])
    for predicted in (shapes, shapes[::-1], other_order):
        assert metrics_of(predicted, shapes) == SetMetrics(mmd=0.0, coverage=1.0, nn_accuracy=0.0)


def test_two_clusters_that_lie_apart_are_told_apart() -> None:
    metrics = metrics_of(blobs(15, seed=0, center=5), blobs(15, seed=1))
    assert metrics.nn_accuracy == 1
    assert metrics.mmd > 5 and metrics.coverage <= 0.5


def test_halves_of_one_distribution_cannot_be_told_apart() -> None:
    shapes = blobs(240, seed=0)
    metrics = metrics_of(shapes[:120], shapes[120:])
    assert metrics.nn_accuracy == pytest.approx(0.5, abs=0.12)  # 240 votes, deviation 0.03 to 0.05
    assert 0.4 < metrics.coverage < 0.9  # two draws of 120: about 0.6


def test_one_shape_again_and_again_covers_one() -> None:
    shapes = blobs(10, seed=0)
    metrics = metrics_of(np.repeat(shapes[:1], 10, axis=0), shapes)
    assert metrics.coverage == 0.1
    one_of_ten = np.mean([chamfer_l1(shapes[0], points) for points in shapes])
    assert metrics.mmd == pytest.approx(one_of_ten, abs=1e-6)


def test_equally_near_shapes_share_the_vote() -> None:
    """Two copies of the one true shape: each has one twin of its own set and one of the other."""
    zero = np.zeros((2, 2))
    assert set_metrics(zero, zero, zero).nn_accuracy == pytest.approx(1 / 3)
    assert set_metrics(np.ones((1, 1)), np.zeros((1, 1)), np.zeros((1, 1))) == SetMetrics(1.0, 1.0, 0.0)


def test_nearest_neighbours_are_those_of_scikit_learn() -> None:
    """Leave one out with its brute-force classifier on the joined distances; no ties, so no tolerance."""
    neighbors = pytest.importorskip("sklearn.neighbors")
    predicted, true = blobs(30, seed=0), blobs(30, seed=1, center=0.2)
    joined = chamfer_matrix(np.concatenate([predicted, true]))
    labels = np.repeat([0, 1], 30)
    hits = []
    for one in range(60):
        rest = np.delete(np.arange(60), one)
        judge = neighbors.KNeighborsClassifier(n_neighbors=1, metric="precomputed", algorithm="brute")
        judge.fit(joined[np.ix_(rest, rest)], labels[rest])
        hits.append(judge.predict(joined[one, rest][None])[0] == labels[one])
    assert metrics_of(predicted, true).nn_accuracy == np.mean(hits)


def test_no_shapes_and_no_numbers_are_errors() -> None:
    with pytest.raises(ValueError, match="0 shapes"):
        set_metrics(*[np.zeros((0, 0))] * 3)
    with pytest.raises(ValueError, match="1 distances not finite"):
        set_metrics(np.zeros((2, 2)), np.diag([np.nan, 0]), np.zeros((2, 2)))
