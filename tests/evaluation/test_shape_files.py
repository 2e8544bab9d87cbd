from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from shapes import box, sphere, uniform_points

from ltm3d.errors import AssetError, ConfigError
from ltm3d.evaluation.fidelity import shape_metrics, truth_of
from ltm3d.evaluation.shape_files import NUM_POINTS, ShapeFileConfig, measure_failure, measure_file, read_true
from ltm3d.geometry.mesh import Mesh, concatenate
from ltm3d.geometry.normalize import frame_rotation
from ltm3d.geometry.point_cloud import PointCloud, write_ply
from ltm3d.geometry.signed_distance import SignedDistance
from ltm3d.geometry.surface_points import sample_surface
from ltm3d.mesh_io.writing import write_mesh

CONFIG = ShapeFileConfig(num_points=4000, num_queries=20_000, earth_mover=True)


def write(folder: Path, name: str, mesh: Mesh) -> Path:
    write_mesh(mesh, folder / name)
    return folder / name


def moved(mesh: Mesh, *, scale: float = 1.0, by: tuple[float, float, float] = (0, 0, 0)) -> Mesh:
    return Mesh(mesh.vertices * np.float32(scale) + np.array(by, np.float32), mesh.faces)


def cloud(folder: Path, name: str, points: np.ndarray) -> Path:
    write_ply(PointCloud(points), folder / name)
    return folder / name


def metrics_of(predicted: Path, true: Path, config: ShapeFileConfig = CONFIG) -> dict[str, float]:
    return measure_file(predicted, "a", read_true(true, "a", config), config).metrics


@pytest.mark.parametrize("name", ["p.glb", "p.obj", "p.ply"])
def test_concentric_spheres_have_their_closed_form(tmp_path: Path, name: str) -> None:
    metrics = metrics_of(write(tmp_path, name, sphere(0.76)), write(tmp_path, "t.glb", sphere(0.95)))
    assert metrics["chamfer_l1"] == pytest.approx(0.38, abs=0.01)  # both ways
    assert metrics["f_score@0.05"] == 0
    assert metrics["normal_consistency"] > 0.98
    assert metrics["volume_iou"] == pytest.approx(0.8**3, abs=0.02)
    assert metrics["emd"] == pytest.approx(0.19, abs=0.03)


def test_metrics_are_those_of_the_generators_evaluation(tmp_path: Path) -> None:
    """In the project's frame both ways of measuring draw the same points."""
    predicted, true = box((1.9, 1.0, 0.7)), box((1.9, 0.8, 0.9))
    metrics = metrics_of(write(tmp_path, "p.stl.ply", predicted), write(tmp_path, "t.ply", true))
    queries = np.random.default_rng(7).uniform(-1, 1, (20_000, 3)).astype(np.float32)
    inside = [SignedDistance(mesh)(queries) < 0 for mesh in (predicted, true)]
    truth = truth_of(true, inside=inside[1], num_points=4000, seed=0)
    expected = shape_metrics(truth, predicted, inside[0], thresholds=CONFIG.thresholds, num_points=4000, seed=0)
    assert metrics["volume_iou"] == pytest.approx(expected.pop("volume_iou"), abs=0.02)
    assert {name: metrics[name] for name in expected} == pytest.approx(expected, rel=0.02)


def test_the_frame_is_kept_or_each_shape_is_brought_into_the_projects(tmp_path: Path) -> None:
    true = write(tmp_path, "t.glb", box((1.0, 0.6, 0.4)))
    far = write(tmp_path, "p.glb", moved(box((1.0, 0.6, 0.4)), scale=3, by=(5, 0, 0)))
    as_is, brought = metrics_of(far, true), metrics_of(far, true, ShapeFileConfig(frame="normalize", num_points=4000))
    assert as_is["chamfer_l1"] > 6 and as_is["volume_iou"] == 0 and as_is["emd"] == pytest.approx(5, abs=0.2)
    assert brought["volume_iou"] > 0.99 and brought["chamfer_l1"] < 0.06


def test_units_do_not_matter_to_the_volume(tmp_path: Path) -> None:
    """Cubes of millimetres moved by a tenth of their side: 0.9 / 1.1."""
    cube = moved(box(), scale=1000, by=(4000, 0, 0))
    true, predicted = write(tmp_path, "t.ply", cube), write(tmp_path, "p.ply", moved(cube, by=(100, 0, 0)))
    assert metrics_of(predicted, true)["volume_iou"] == pytest.approx(0.9 / 1.1, abs=0.02)


def test_what_a_prediction_has_outside_of_the_cube_counts(tmp_path: Path) -> None:
    """A cube eight times as large around the true one: an eighth, of which the cube alone would see 0.857 / 1.17."""
    true, predicted = write(tmp_path, "t.ply", box()), write(tmp_path, "p.ply", moved(box(), scale=2))
    assert metrics_of(predicted, true)["volume_iou"] == pytest.approx(1 / 8, abs=0.01)


def test_points_have_no_normals_and_no_volume(tmp_path: Path) -> None:
    points = uniform_points(900)
    true, predicted = cloud(tmp_path, "t.ply", points), cloud(tmp_path, "p.ply", points[::-1])
    measured = measure_file(predicted, "a", read_true(true, "a", CONFIG), CONFIG)
    assert measured.metrics["chamfer_l1"] == 0 and measured.metrics["f_score@0.01"] == 1
    assert {"normal_consistency", "volume_iou"}.isdisjoint(measured.metrics) and not measured.of_meshes
    assert measured.in_set.shape == (NUM_POINTS, 3)
    counts = np.unique(measured.in_set, axis=0, return_counts=True)[1]
    assert len(counts) == 900 and set(counts) == {2, 3}
    assert measured.metrics["emd"] < 0.03


def test_a_mesh_against_points_is_measured_by_points(tmp_path: Path) -> None:
    ball = uniform_points(3000, 1)
    true = cloud(tmp_path, "t.ply", 0.8 * ball / np.linalg.norm(ball, axis=1, keepdims=True))
    measured = measure_file(write(tmp_path, "p.glb", sphere(0.8)), "a", read_true(true, "a", CONFIG), CONFIG)
    assert measured.metrics["chamfer_l1"] < 0.06 and not measured.of_meshes
    assert "volume_iou" not in measured.metrics


def test_an_open_sheet_has_no_volume_to_compare(tmp_path: Path) -> None:
    sheet = Mesh(np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]), np.array([[0, 1, 2], [0, 2, 3]]))
    metrics = metrics_of(write(tmp_path, "p.glb", sheet), write(tmp_path, "t.glb", sheet))
    assert "volume_iou" not in metrics and metrics["normal_consistency"] == pytest.approx(1)


def test_a_failure_is_a_point_in_the_true_shapes_middle(tmp_path: Path) -> None:
    true = read_true(write(tmp_path, "t.glb", moved(sphere(0.8), by=(7, 0, 0))), "a", CONFIG)
    failed = measure_failure(true, CONFIG)
    assert failed.metrics["chamfer_l1"] == pytest.approx(1.6, abs=0.01)
    assert failed.metrics["emd"] == pytest.approx(0.8, abs=0.01)
    assert failed.metrics["volume_iou"] == failed.metrics["normal_consistency"] == failed.metrics["f_score@0.05"] == 0
    assert np.ptp(failed.in_set, axis=0).max() == 0 and failed.of_meshes
    measured = measure_file(write(tmp_path, "p.glb", sphere(0.8)), "a", true, CONFIG)
    assert measured.metrics.keys() == failed.metrics.keys()


def test_broken_files_have_a_reason(tmp_path: Path) -> None:
    true = read_true(write(tmp_path, "t.glb", sphere(0.8)), "a", CONFIG)
    (tmp_path / "cut.glb").write_bytes((tmp_path / "t.glb").read_bytes()[:500])
    (tmp_path / "empty.ply").write_bytes(b"")
    write(tmp_path, "nan.ply", Mesh(np.full((3, 3), np.nan), np.array([[0, 1, 2]])))
    write(tmp_path, "vast.ply", moved(box(), scale=1e30))  # squares beyond single precision: no metric is finite
    reasons = {"cut.glb": "parse_error", "empty.ply": "parse_error", "nan.ply": "non_finite", "vast.ply": "non_finite"}
    for name, reason in reasons.items():
        with pytest.raises(AssetError) as caught:
            measure_file(tmp_path / name, "a", true, CONFIG)
        assert caught.value.reason == reason, name


def test_settings_have_their_range() -> None:
    with pytest.raises(ConfigError, match="num_points is 5; use 100"):
        ShapeFileConfig(num_points=5)


@pytest.mark.parametrize("align", ["rotations", "icp"])
@pytest.mark.parametrize("as_points", [False, True])
def test_aligned_shapes_have_the_metrics_of_unturned_ones(tmp_path: Path, align: str, as_points: bool) -> None:
    config = replace(CONFIG, align=align)
    arm = Mesh(box((0.3, 1.0, 0.3)).vertices + np.float32((0.7, 0.6, 0.2)), box().faces)
    true = write(tmp_path, "t.glb", concatenate([box((1.8, 0.6, 0.4)), arm]))
    predicted = concatenate([box((1.8, 0.5, 0.4)), arm])
    turned = Mesh((predicted.vertices @ frame_rotation("-x", "+y").T) * 4 + (7, -90, 3), predicted.faces)

    def metrics(name: str, mesh: Mesh) -> dict[str, float]:
        if as_points:
            rng = np.random.default_rng(0)
            return metrics_of(cloud(tmp_path, f"{name}.ply", sample_surface(mesh, 4000, rng).points), true, config)
        return metrics_of(write(tmp_path, f"{name}.glb", mesh), true, config)

    assert metrics("a", turned) == pytest.approx(metrics("b", predicted), abs=2e-3)


def test_axes_of_the_predicted_frame_are_turned_to_the_true_one(tmp_path: Path) -> None:
    true = write(tmp_path, "t.glb", box((1.8, 1.0, 0.4)))
    turned = write(tmp_path, "p.glb", box((1.8, 0.4, 1.0)))  # z up, front -y
    assert metrics_of(turned, true)["volume_iou"] < 0.5
    assert metrics_of(turned, true, replace(CONFIG, pred_up="+z", pred_front="-y"))["volume_iou"] > 0.99
    with pytest.raises(ConfigError, match="one line"):
        replace(CONFIG, pred_up="+z", pred_front="-z")


def edge_scores(tmp_path: Path, predicted: Mesh, true: Mesh) -> list[float]:
    metrics = metrics_of(write(tmp_path, "p.glb", predicted), write(tmp_path, "t.glb", true))
    return [metrics[f"edge_f_score@{threshold:g}"] for threshold in CONFIG.thresholds]


def test_sharp_edges_of_a_moved_box_have_their_closed_form(tmp_path: Path) -> None:
    """Moved by 0.015 along x: of twelve edges, four of length 2 slide along themselves and eight of length 1 do not."""
    true = box((2.0, 1.0, 1.0))
    assert edge_scores(tmp_path, true, true) == pytest.approx([1, 1, 1])
    scores = edge_scores(tmp_path, moved(true, by=(0.015, 0, 0)), true)
    assert scores == pytest.approx([(4 * 2) / (4 * 2 + 8 * 1), 1, 1], abs=0.015)


def test_a_round_shape_has_no_edge_of_a_box_and_a_ball_has_none_to_find(tmp_path: Path) -> None:
    assert edge_scores(tmp_path, sphere(0.8), box()) == [0, 0, 0]
    metrics = metrics_of(write(tmp_path, "p.glb", box()), write(tmp_path, "t.glb", sphere(0.8)))
    assert not any(name.startswith("edge_f_score") for name in metrics)
    failed = measure_failure(read_true(write(tmp_path, "t.glb", box()), "a", CONFIG), CONFIG)
    assert failed.metrics["edge_f_score@0.05"] == 0


def test_pictures_are_taken_in_the_true_shapes_frame_and_without_colours(tmp_path: Path) -> None:
    config = replace(CONFIG, num_pictures=2)
    far = moved(box((1.0, 0.6, 0.4)), scale=7, by=(100, -50, 3))
    true = read_true(write(tmp_path, "t.glb", far), "a", config)
    same = measure_file(write(tmp_path, "p.glb", far), "a", true, config)
    beside = measure_file(write(tmp_path, "b.glb", moved(far, by=(3, 0, 0))), "a", true, config)
    failed = measure_failure(true, config)
    assert true.pictures is not None and true.pictures.shape == (2, 128, 128, 4)
    assert (true.pictures[..., 3] > 128).mean() > 0.05
    np.testing.assert_array_equal(same.pictures, true.pictures)
    assert beside.pictures is not None and (beside.pictures != true.pictures).any()
    assert failed.pictures is not None and not failed.pictures.any()
    with pytest.raises(ConfigError, match="num_pictures is 65; use 0"):
        ShapeFileConfig(num_pictures=65)
