import numpy as np
import pytest
from shapes import box, box_distance, sphere

from ltm3d.errors import AssetError, ConfigError
from ltm3d.geometry.mesh import Mesh
from ltm3d.representations.point_cloud import PointCloudTargetConfig, build_point_cloud_target
from ltm3d.schema import POINT_CLOUD_TARGETS

CONFIG = PointCloudTargetConfig(num_surface=2000, num_sharp=400, num_farthest=128)
EXTENTS = (1.2, 0.7, 0.4)


def build(mesh: Mesh, seed: int = 0) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    return build_point_cloud_target(mesh, config=CONFIG, rng=np.random.default_rng(seed))


def test_fields_are_those_of_the_schema() -> None:
    target, _ = build(box(EXTENTS, color=(200, 30, 30)))
    assert {name: (array.shape, array.dtype.name) for name, array in target.items()} == {
        "surface": ((2000, 6), "float16"),
        "surface_colors": ((2000, 3), "uint8"),
        "sharp": ((400, 6), "float16"),
        "sharp_colors": ((400, 3), "uint8"),
        "farthest": ((128, 6), "float16"),
        "farthest_colors": ((128, 3), "uint8"),
    }
    assert [field.name for field in POINT_CLOUD_TARGETS] == list(target)
    for name in ("surface_colors", "sharp_colors", "farthest_colors"):
        assert (target[name] == (200, 30, 30)).all()


def test_points_lie_on_the_surface_and_step_outward() -> None:
    target, facts = build(box(EXTENTS))
    assert facts == {"num_sharp_edges": 12, "sharp_length": pytest.approx(4 * sum(EXTENTS), rel=1e-5)}
    for name in ("surface", "sharp", "farthest"):
        points = target[name].astype(np.float32)
        assert np.abs(box_distance(points[:, :3], EXTENTS)).max() < 5e-4
        assert (box_distance(points[:, :3] + 0.05 * points[:, 3:], EXTENTS) > 0.04).all()
    sharp = np.abs(target["sharp"][:, :3].astype(np.float32))
    assert (np.isclose(sharp, np.array(EXTENTS) / 2, atol=5e-4).sum(axis=1) >= 2).all()


def test_any_slice_is_a_fair_sample_and_the_farthest_are_spread() -> None:
    target, facts = build(sphere(0.8))
    assert facts["num_sharp_edges"] == 0
    assert np.abs(target["surface"][:500, :3].astype(np.float32).mean(axis=0)).max() < 0.1
    assert np.abs(target["sharp"][:, :3].astype(np.float32).mean(axis=0)).max() < 0.15  # by area for want of edges
    few = target["farthest"][:32, :3].astype(np.float32)
    gaps = np.linalg.norm(few[:, None] - few, axis=2)
    drawn = target["surface"][:32, :3].astype(np.float32)
    drawn_gaps = np.linalg.norm(drawn[:, None] - drawn, axis=2)
    np.fill_diagonal(gaps, 9), np.fill_diagonal(drawn_gaps, 9)
    assert gaps.min() > 0.3 and gaps.min() > 2 * drawn_gaps.min()


def test_same_generator_same_points_and_nothing_from_nothing() -> None:
    first, second, other = (build(box(EXTENTS), seed)[0] for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["surface"], other["surface"])
    with pytest.raises(AssetError, match="no_surface"):
        build(Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]])))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_surface": 0}, "num_surface 0"),
        ({"num_sharp": 0}, "num_sharp 0"),
        ({"num_surface": 100, "num_farthest": 101}, "num_farthest 101 .* num_surface = 100"),
        ({"sharp_angle": 0}, "sharp_angle 0"),
    ],
)
def test_settings_out_of_range(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PointCloudTargetConfig(**settings)
