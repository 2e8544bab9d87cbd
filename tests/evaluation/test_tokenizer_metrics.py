"""The metrics of each representation for shapes whose answer is known, and those of a tokenizer that has learnt one."""

import logging
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from shapes import box, sphere
from tiny_tokenizers import RADIUS, SMALL, train_sphere_tokenizer

from ltm3d.errors import ConfigError
from ltm3d.evaluation import tokenizer_metrics as reconstruction
from ltm3d.evaluation.clouds import cloud_metrics
from ltm3d.evaluation.faces import face_metrics
from ltm3d.evaluation.measurement import map_here
from ltm3d.evaluation.splats import picture_metrics, true_pictures
from ltm3d.evaluation.tokenizer_metrics import Encoded, ReconstructionConfig, circumstances, measure_reconstructions
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.point_cloud import PointCloud
from ltm3d.representations.gaussians import GaussiansTargetConfig, build_gaussians_target
from ltm3d.representations.mesh import dequantize, quantize
from ltm3d.splatting.fitting import FitConfig
from ltm3d.splatting.record import from_parameters
from ltm3d.tokenizers.gaussians import GaussiansTokenizer, GaussiansTokenizerConfig
from ltm3d.tokenizers.point_cloud import PointCloudTokenizer, PointCloudTokenizerConfig
from ltm3d.tokenizers.sdf import SdfTokenizer
from ltm3d.tokenizers.tokenizer import DecodeConfig

TOKENS = torch.zeros(4, 4)
FIELDS = ReconstructionConfig(resolutions=(16, 32), num_points=2000, num_queries=2000)


@cache
def ball_tokenizer() -> SdfTokenizer:
    return train_sphere_tokenizer(0)


def test_a_shifted_cloud_is_as_far_as_it_is_shifted() -> None:
    points = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    shifted = PointCloud(points[::-1] + np.float32([0.01, 0, 0]))
    assert cloud_metrics(shifted, points, rng=np.random.default_rng(0))["emd"] == pytest.approx(0.01, abs=1e-5)
    rng = np.random.default_rng(0)
    surface = sphere(0.5).vertices
    assert cloud_metrics(None, surface, rng=rng)["emd"] == pytest.approx(0.5, abs=1e-3)
    assert cloud_metrics(PointCloud(surface * 1.1), surface, rng=rng)["emd"] > 0.05


def test_faces_count_only_with_all_nine_coordinates() -> None:
    solid = box((1.9, 1.0, 0.5))
    target = Mesh(dequantize(quantize(solid.vertices, 64), 64), solid.faces)
    whole = face_metrics(target, target, num_cells=64)
    assert whole == {"triangle_accuracy": 1.0, "is_watertight": 1.0, "face_count_error": 0.0}
    moved = target.vertices.copy()
    moved[0, 0] += 2 / 63  # one cell: every face at that corner is wrong, and still the box is closed
    metrics = face_metrics(Mesh(moved, target.faces), target, num_cells=64)
    assert metrics["triangle_accuracy"] == pytest.approx(1 - (target.faces == 0).any(axis=1).mean())
    assert metrics["is_watertight"] == 1 and metrics["face_count_error"] == 0
    half = face_metrics(Mesh(target.vertices, target.faces[:6]), target, num_cells=64)
    assert half == {"triangle_accuracy": 0.5, "is_watertight": 0.0, "face_count_error": 0.5}
    assert face_metrics(None, target, num_cells=64)["triangle_accuracy"] == 0


@pytest.mark.slow
def test_fitted_gaussians_give_the_pictures_and_none_give_few() -> None:
    mesh = box((1.2, 1.0, 0.8), color=(200, 60, 30))
    config = GaussiansTargetConfig(num_gaussians=400, num_views=8, resolution=48, fit=FitConfig(num_steps=80))
    target, _ = build_gaussians_target(mesh, config=config, rng=np.random.default_rng(0))
    rgbas, cameras = true_pictures(mesh, num_views=3, resolution=48, rng=np.random.default_rng(1))
    fitted = picture_metrics(from_parameters(target["gaussians"].astype(np.float32)), rgbas, cameras)
    empty = picture_metrics(None, rgbas, cameras)
    assert fitted["psnr"] > 22 and fitted["ssim"] > 0.8
    assert empty["psnr"] < 15 and empty["ssim"] < fitted["ssim"]


def test_only_what_is_decoded_has_seconds_and_memory() -> None:
    config = replace(FIELDS, resolutions=(16,))
    assets = [Encoded("a", sphere(RADIUS), TOKENS)]
    rows = measure_reconstructions(ball_tokenizer(), assets, config=config, seed=0)
    assert {row.method: len(row.costs) for row in rows} == {"round_trip": 1, "ceiling": 0}
    cloud_rows = measure_reconstructions(
        PointCloudTokenizer(PointCloudTokenizerConfig(**SMALL, fixed_points_a_token=16)),
        [Encoded("a", sphere(RADIUS), TOKENS, PointCloud(sphere(RADIUS).vertices))],
        config=config,
        seed=0,
    )
    assert {row.method: len(row.costs) for row in cloud_rows} == {"round_trip": 1, "ceiling": 0}
    assert all(cost.seconds > 0 and cost.peak_memory > 10 for row in rows + cloud_rows for cost in row.costs)


def test_pictures_metrics_say_their_size_and_which_is_skipped() -> None:
    config = ReconstructionConfig(num_views=3, view_resolution=48)
    gaussians = GaussiansTokenizer(GaussiansTokenizerConfig(**SMALL))
    facts = circumstances(gaussians, config)
    assert facts["num_pictures"] == 3 and facts["picture_resolution"] == 48 and "weights" in facts["skipped"]["lpips"]
    assert circumstances(ball_tokenizer(), config) == {"skipped": {}}


def full_field(queries: np.ndarray) -> np.ndarray:
    """Say that everything is inside."""
    return np.full(len(queries), -0.25, np.float32)


def test_the_ceiling_is_the_true_field_through_the_same_grid() -> None:
    assets = [Encoded(uid, sphere(RADIUS), TOKENS) for uid in ("a", "b")]
    rows = measure_reconstructions(ball_tokenizer(), assets, config=FIELDS, seed=0, map_assets=map_here)
    assert {(row.method, row.prompt) for row in rows} == {
        (method, resolution) for method in ("round_trip", "ceiling") for resolution in ("16^3", "32^3")
    }
    by_row = {(row.method, row.prompt): row for row in rows}
    assert all(set(row.by_asset) == {"a", "b"} and row.failures == 0 for row in rows)
    coarse, ceiling = (by_row["ceiling", resolution].by_asset["a"] for resolution in ("16^3", "32^3"))
    decoded = by_row["round_trip", "32^3"].by_asset["a"]
    for metric in ("volume_iou", "near_iou"):
        assert 0.8 < coarse[metric] < ceiling[metric] < 1, "of the extracted mesh: a finer grid gives more"
    assert 0.7 < decoded["near_iou"] < 1 and ceiling["chamfer_l1"] < decoded["chamfer_l1"]


def test_a_field_without_a_surface_is_a_failure_and_the_log_has_its_range(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SdfTokenizer, "decode_field", lambda *_, **__: full_field)
    with caplog.at_level(logging.WARNING):
        rows = measure_reconstructions(ball_tokenizer(), [Encoded("a", sphere(RADIUS), TOKENS)], config=FIELDS, seed=0)
    assert {(row.method, row.failures) for row in rows} == {("round_trip", 1), ("ceiling", 0)}
    for row in rows:
        if row.method == "round_trip":
            assert row.by_asset["a"]["near_iou"] == row.by_asset["a"]["volume_iou"] == 0
    assert "the field lies in [-0.25, -0.25] and never crosses 0" in caplog.text


def test_a_stored_cloud_is_measured_with_as_many_points_as_the_decoded_one(monkeypatch: pytest.MonkeyPatch) -> None:
    config = PointCloudTokenizerConfig(**SMALL, fixed_points_a_token=16)
    points = np.random.default_rng(0).normal(size=(4000, 3)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    counts = []

    def count_points(cloud: PointCloud, *_: object, **__: object) -> dict[str, float]:
        counts.append(len(cloud.points))
        return {}

    monkeypatch.setattr(reconstruction, "cloud_metrics", count_points)
    asset = Encoded("a", sphere(RADIUS), TOKENS, PointCloud(RADIUS * points))
    measure = ReconstructionConfig(num_points=2000, num_cloud_points=1000)
    measure_reconstructions(PointCloudTokenizer(config), [asset], config=measure, seed=0)
    assert counts == [4 * 16, 4 * 16]


def test_the_shapes_that_are_shown_are_those_that_are_measured() -> None:
    config = ReconstructionConfig(resolutions=(128, 256), num_cloud_points=3000)
    assert config.decode(seed=7) == DecodeConfig(resolution=128, num_points=3000, seed=7)


def test_a_grid_that_cannot_be_extracted_is_refused_before_anything_is_measured() -> None:
    for resolutions in ((), (128, 255), (2048,)):
        with pytest.raises(ConfigError, match="resolution"):
            ReconstructionConfig(resolutions=resolutions)
