from dataclasses import replace

import numpy as np
import pytest
from shapes import box, box_distance, sphere

from ltm3d.errors import AssetError, ConfigError
from ltm3d.geometry.mesh import Mesh, concatenate
from ltm3d.representations.gaussians import GaussiansTargetConfig, build_gaussians_target, sphere_cameras
from ltm3d.splatting.fitting import FitConfig

CONFIG = GaussiansTargetConfig(num_gaussians=800, num_views=12, resolution=64, fit=FitConfig(num_steps=120))
EXTENTS = (1.2, 0.7, 0.4)


def build(
    mesh: Mesh, seed: int = 0, config: GaussiansTargetConfig = CONFIG
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    return build_gaussians_target(mesh, config=config, rng=np.random.default_rng(seed))


def test_the_field_is_a_canonical_table_of_float16() -> None:
    target, facts = build(box(EXTENTS, color=(200, 80, 40)))
    table = target["gaussians"].astype(np.float32)
    assert list(target) == ["gaussians"] and target["gaussians"].dtype == np.float16
    assert table.shape == (800, 14) and np.isfinite(table).all()
    assert (np.diff(table[:, 3:6], axis=1) <= 0).all()  # longest axis first
    assert (table[:, 6] >= np.abs(table[:, 7:10]).max(axis=1) - 1e-3).all()  # w is the largest
    assert np.abs(np.linalg.norm(table[:, 6:10], axis=1) - 1).max() < 2e-3
    assert np.linalg.norm(np.diff(table[:, :3], axis=0), axis=1).mean() < 0.2  # neighbours in memory are in space
    assert set(facts) == {"psnr_fitted", "psnr_held_out"} and facts["psnr_held_out"] > 27


def test_the_gaussians_lie_on_the_surface_in_its_colour() -> None:
    table = build(box(EXTENTS, color=(200, 80, 40)))[0]["gaussians"].astype(np.float32)
    off = np.abs(box_distance(table[:, :3], EXTENTS))
    assert (
        np.median(off) < 0.023 and np.percentile(off, 95) < 0.05
    )  # one pixel, two: inside, as a splat is a pixel wide
    red, green, blue = np.median(table[:, 11:], axis=0)
    assert red > green + 0.1 > blue + 0.1  # shaded, so darker than the paint


def test_nothing_is_spent_on_what_no_picture_shows() -> None:
    nested = concatenate([box(EXTENTS), sphere(0.15)])
    table = build(nested, config=replace(CONFIG, fit=FitConfig(num_steps=0)))[0]["gaussians"].astype(np.float32)
    assert np.abs(box_distance(table[:, :3], EXTENTS)).max() < 1e-3


def test_same_seed_same_bytes_other_seed_other_gaussians() -> None:
    config = replace(CONFIG, fit=FitConfig(num_steps=5))
    (first, facts), (again, same_facts), (other, _) = (build(sphere(), seed, config) for seed in (0, 0, 1))
    assert first["gaussians"].tobytes() == again["gaussians"].tobytes() != other["gaussians"].tobytes()
    assert facts == same_facts


def test_cameras_look_from_all_sides_and_hold_the_mesh() -> None:
    mesh = box(EXTENTS)
    cameras = sphere_cameras(20, mesh, field_of_view=30.0, rng=np.random.default_rng(0))
    eyes = cameras[:, :3, 3]
    directions = eyes / np.linalg.norm(eyes, axis=1, keepdims=True)
    assert directions[:, 1].max() > 0.9 and directions[:, 1].min() < -0.9
    assert np.abs(directions.mean(axis=0)).max() < 0.1
    for camera in cameras:
        seen = (mesh.vertices - camera[:3, 3]) @ camera[:3, :3]
        assert np.abs(seen[:, :2] / seen[:, 2:]).max() < np.tan(np.radians(15))


def test_without_held_out_views_the_fact_is_left_out() -> None:
    config = replace(CONFIG, fit=FitConfig(num_steps=0, num_held_out=0))
    assert list(build(sphere(), config=config)[1]) == ["psnr_fitted"]


def test_bad_settings_and_flat_meshes_are_named() -> None:
    with pytest.raises(ConfigError, match=r"num_gaussians 0 is out of range; use 1 to 1,000,000"):
        GaussiansTargetConfig(num_gaussians=0)
    with pytest.raises(ConfigError, match=r"resolution 130 is out of range; use a multiple of 4"):
        GaussiansTargetConfig(resolution=130)
    with pytest.raises(ConfigError, match="num_views 2"):
        GaussiansTargetConfig(num_views=2)
    with pytest.raises(AssetError, match="no_surface"):
        build(Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]])))
