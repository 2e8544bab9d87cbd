"""Folders of real files, measured in this process; the isolating child is tested with the command."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapes import box, sphere, torus

from ltm3d.errors import DataError
from ltm3d.evaluation.named_set import write_named_set
from ltm3d.evaluation.shape_files import ShapeFileConfig
from ltm3d.evaluation.shape_folder import find_shapes, pair_files, score, to_report, to_text
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.point_cloud import PointCloud, write_ply
from ltm3d.mesh_io.writing import write_mesh

CONFIG = ShapeFileConfig(num_points=500, num_queries=2000)
SHAPES = {"ball": sphere(0.8), "chairs/box": box(), "ring": torus()}


def here(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


def write(folder: Path, shapes: dict[str, Mesh], suffix: str = ".glb") -> Path:
    for name, mesh in shapes.items():
        path = folder / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_mesh(mesh, path)
    return folder


def report_of(predicted: Path, true: Path, **options: Any) -> dict[str, Any]:
    pairs, without_truth = pair_files(predicted, true)
    scored = [score(pair, CONFIG, call=here) for pair in pairs]
    return to_report(scored, CONFIG, without_truth=without_truth, sets=options.get("sets", "cd"))


def test_a_folder_against_itself_has_the_best_metrics(tmp_path: Path) -> None:
    true, predicted = write(tmp_path / "true", SHAPES), write(tmp_path / "predicted", SHAPES, ".obj")
    report = report_of(predicted, true)
    assert (report["num_assets"], report["num_failures"]) == (3, 0)
    assert report["metrics"]["volume_iou"]["mean"] > 0.99
    assert report["metrics"]["chamfer_l1"]["high"] < 0.15  # 500 points drawn twice
    assert report["sets"]["cov_cd"] == 1 and report["sets"]["1nna_cd"] == 0 and report["sets"]["num_shapes"] == 3
    assert report["assets"].keys() == SHAPES.keys()
    assert "sets" not in report_of(predicted, true, sets="none")


def test_missing_and_broken_predictions_are_failures_that_count(tmp_path: Path) -> None:
    true, predicted = write(tmp_path / "true", SHAPES), write(tmp_path / "predicted", SHAPES)
    whole = report_of(predicted, true)
    (predicted / "ball.glb").unlink()
    (predicted / "ring.glb").write_bytes(b"glTF, or what looks like it")
    write(predicted, {"of-no-truth": box()})
    report = report_of(predicted, true)
    assert report["num_assets"] == 3 and report["num_failures"] == 2
    assert report["failures"]["ball"] == "missing" and report["failures"]["ring"].startswith("parse_error")
    assert report["without_truth"] == ["of-no-truth"]
    for name, row in report["metrics"].items():
        assert row["num_assets"] == (1 if name.startswith("edge_f_score") else 3), name  # the box alone has edges
    assert report["metrics"]["volume_iou"]["mean"] == pytest.approx(
        whole["metrics"]["volume_iou"]["mean"] / 3, abs=0.01
    )
    assert report["sets"]["num_shapes"] == 3 and report["sets"]["mmd_cd"] > whole["sets"]["mmd_cd"]
    text = to_text(report)
    assert "3 true shapes, 2 failed" in text and "failed: ball: missing" in text and "of-no-truth" in text


def test_an_error_of_our_own_is_a_failure_with_its_name(tmp_path: Path) -> None:
    """One file that brings out a bug must not take the other files' metrics with it."""
    true, predicted = write(tmp_path / "true", SHAPES), write(tmp_path / "predicted", SHAPES)

    def call(function: Callable[..., Any], path: Path, *arguments: Any) -> Any:
        if path == predicted / "ball.glb":
            raise IndexError("of a bug")
        return function(path, *arguments)

    scored = [score(pair, CONFIG, call=call) for pair in pair_files(predicted, true)[0]]
    assert [each.failure for each in scored] == ["failed: IndexError: of a bug", "", ""]


def test_all_failed_is_a_report_too(tmp_path: Path) -> None:
    true, predicted = write(tmp_path / "true", {"a": box(), "b": sphere()}), tmp_path / "predicted"
    predicted.mkdir()
    (predicted / "a.ply").write_bytes(b"")
    report = report_of(predicted, true)
    assert report["num_failures"] == 2 and report["metrics"]["volume_iou"]["mean"] == 0


def test_points_among_meshes_leave_out_what_only_meshes_have(tmp_path: Path) -> None:
    true, predicted = write(tmp_path / "true", SHAPES), write(tmp_path / "predicted", SHAPES)
    (predicted / "ball.glb").unlink()
    write_ply(PointCloud(SHAPES["ball"].vertices), predicted / "ball.ply")
    report = report_of(predicted, true)
    assert report["compared_as"] == "points" and report["num_failures"] == 0
    assert {"normal_consistency", "volume_iou"}.isdisjoint(report["metrics"])
    assert all({"normal_consistency", "volume_iou"}.isdisjoint(metrics) for metrics in report["assets"].values())


def test_hashes_name_the_test_and_its_files(tmp_path: Path) -> None:
    true, predicted = write(tmp_path / "true", SHAPES), write(tmp_path / "predicted", SHAPES)
    first, again = report_of(predicted, true), report_of(predicted, true)
    assert first == again
    write(true, {"ring": torus(0.5)})
    changed = report_of(predicted, true)
    assert changed["truth_sha256"] != first["truth_sha256"] and changed["pred_sha256"] == first["pred_sha256"]
    assert changed["test_ids_sha256"] == first["test_ids_sha256"]
    (true / "ring.glb").unlink()
    assert report_of(predicted, true)["test_ids_sha256"] != first["test_ids_sha256"]


def test_a_true_shape_that_cannot_be_read_stops_it(tmp_path: Path) -> None:
    true, predicted = write(tmp_path / "true", SHAPES), write(tmp_path / "predicted", SHAPES)
    (true / "ball.glb").write_bytes(b"no mesh")
    with pytest.raises(DataError, match=r"true/ball\.glb cannot be read \(parse_error.*mend it"):
        report_of(predicted, true)


def test_folders_that_do_not_go_together_say_so(tmp_path: Path) -> None:
    true, empty, other = write(tmp_path / "true", SHAPES), tmp_path / "empty", write(tmp_path / "other", {"x": box()})
    empty.mkdir()
    (empty / ".hidden.glb").write_bytes(b"")
    arrays = tmp_path / "arrays"
    arrays.mkdir()
    np.save(arrays / "ball.npy", np.zeros(3))
    cases = [
        (tmp_path / "none", true, "there is no folder"),
        (empty, true, "empty holds no files"),
        (true, empty, "empty holds no files"),
        (arrays, true, r"only files of other kinds \(.*ball\.npy\); the kinds that are read are \.glb, \.obj"),
        (other, true, "no file name in common .*: x there, ball, chairs/box, ring here"),
    ]
    for predicted, truth, message in cases:
        with pytest.raises(DataError, match=message) as caught:
            pair_files(predicted, truth)
        assert "\n" not in str(caught.value)


def test_a_prediction_of_an_unknown_kind_is_no_missing_one(tmp_path: Path) -> None:
    true, predicted = write(tmp_path / "true", SHAPES), write(tmp_path / "predicted", SHAPES)
    (predicted / "ball.glb").rename(predicted / "ball.fbx")
    with pytest.raises(DataError, match=r"ball\.fbx: not a kind that is read"):
        pair_files(predicted, true)
    (predicted / "ball.fbx").rename(predicted / "notes.txt")  # no shape's name: something else
    assert [pair.uid for pair in pair_files(predicted, true)[0] if pair.predicted is None] == ["ball"]


def test_one_name_twice_is_an_error(tmp_path: Path) -> None:
    true = write(write(tmp_path / "true", SHAPES), {"ball": sphere()}, ".ply")
    with pytest.raises(DataError, match=r"ball\.glb and .*ball\.ply have one name"):
        pair_files(true, true)


def test_linked_folders_inside_are_entered_once_and_those_that_lead_out_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = write(tmp_path / "root", {"ball": sphere(0.8), ".store/box": box()})
    write(tmp_path / "elsewhere", {"ring": torus()})
    (root / "linked").symlink_to(root / ".store")
    (root / "around").symlink_to(root)
    (root / "out").symlink_to(tmp_path / "elsewhere")
    shapes, _ = find_shapes(root)
    assert sorted(shapes) == ["ball", "linked/box"]
    assert "out leads out of" in caplog.text and "around" not in caplog.text


def test_a_named_set_is_what_counts_and_stands_in_the_report(tmp_path: Path) -> None:
    true, predicted = write(tmp_path / "true", SHAPES), write(tmp_path / "predicted", SHAPES)
    shapes, _ = find_shapes(true)
    named = write_named_set(tmp_path / "two.json", {uid: shapes[uid] for uid in ("ball", "ring")})
    pairs, without_truth = pair_files(predicted, true, named)
    assert [pair.uid for pair in pairs] == ["ball", "ring"] and without_truth == ["chairs/box"]
    scored = [score(pair, CONFIG, call=here) for pair in pairs]
    report = to_report(scored, CONFIG, without_truth=without_truth, sets="none", test_set=named.name)
    assert report["test_set"] == "two" and report["truth_sha256"] == named.sha256
    assert "test set two, frame" in to_text(report)


def test_pictures_of_the_same_are_alike_and_a_failure_is_an_empty_one(tmp_path: Path) -> None:
    config = replace(CONFIG, num_pictures=2)
    true, same = write(tmp_path / "true", SHAPES), write(tmp_path / "same", SHAPES, ".obj")
    others = write(tmp_path / "others", {"ball": box((1.8, 0.4, 0.4)), "chairs/box": torus()})

    def measured(predicted: Path) -> dict[str, Any]:
        scored = [score(pair, config, call=here) for pair in pair_files(predicted, true)[0]]
        return to_report(scored, config, without_truth=(), sets="none")

    best, worse = measured(same), measured(others)
    name, kid = "picture_similarity:efficientnet-lite0", "kid:efficientnet-lite0"
    assert best["metrics"][name]["mean"] == pytest.approx(1, abs=1e-4)
    assert worse["failures"].keys() == {"ring"} and worse["metrics"][name]["num_assets"] == 3
    assert worse["metrics"][name]["mean"] < 0.95
    assert best["pictures"][kid] < worse["pictures"][kid]
    assert best["pictures"]["num_views"] == 2 and len(best["pictures"]["efficientnet_lite0_sha256"]) == 64
    assert "picture_similarity:efficientnet-lite0" in to_text(best) and "kid:efficientnet-lite0" in to_text(best)
