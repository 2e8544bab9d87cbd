from typing import Any

import numpy as np
import pytest
from shapes import box, box_distance, inside_out, sphere

from ltm3d.errors import AssetError, ConfigError
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.signed_distance import SignedDistance
from ltm3d.representations.sdf import SdfTargetConfig, build_sdf_target
from ltm3d.schema import SDF_TARGETS

CONFIG = SdfTargetConfig(num_surface=600, num_sharp=300, num_volume=500, num_near=1000)
EXTENTS = (1.2, 0.7, 0.4)


def build(mesh: Mesh, seed: int = 0, config: SdfTargetConfig = CONFIG) -> dict[str, np.ndarray]:
    return build_sdf_target(mesh, config=config, rng=np.random.default_rng(seed))[0]


def facts_of(mesh: Mesh) -> dict[str, Any]:
    return build_sdf_target(mesh, config=CONFIG, rng=np.random.default_rng(0))[1]


def test_fields_are_those_of_the_schema() -> None:
    target = build(box(EXTENTS))
    assert {name: (array.shape, array.dtype.name) for name, array in target.items()} == {
        "surface": ((600, 6), "float16"),
        "sharp": ((300, 6), "float16"),
        "volume": ((500, 4), "float16"),
        "near": ((1000, 4), "float16"),
    }
    assert [field.name for field in SDF_TARGETS] == list(target)


def test_distances_belong_to_the_points_as_stored() -> None:
    target = build(box(EXTENTS))
    for name in ("volume", "near"):
        points, stored = target[name][:, :3].astype(np.float32), target[name][:, 3].astype(np.float32)
        truth = box_distance(points, EXTENTS)
        assert np.abs(stored - truth).max() < 5e-4  # half a step of float16 near 1
        close = np.abs(truth) < 0.01
        if name == "near":
            assert close.sum() > 300
            assert np.abs(stored - truth)[close].max() < 5e-6  # rounding the point afterwards would cost up to 5e-4


def test_surface_points_lie_on_the_surface_and_step_outward() -> None:
    surface = build(box(EXTENTS))["surface"].astype(np.float32)
    assert np.abs(box_distance(surface[:, :3], EXTENTS)).max() < 5e-4
    outward = box_distance(surface[:, :3] + 0.05 * surface[:, 3:], EXTENTS)
    assert (outward > 0.04).all()


def test_queries_cover_the_cube_and_both_distances_from_the_surface() -> None:
    target = build(sphere(0.5), config=SdfTargetConfig(num_surface=100, num_volume=4000, num_near=4000))
    volume, near = target["volume"].astype(np.float32), target["near"].astype(np.float32)
    assert np.abs(volume[:, :3].mean(axis=0)).max() < 0.05
    assert volume[:, :3].std(axis=0) == pytest.approx([3**-0.5] * 3, abs=0.02)
    assert volume[:, 3].max() > 0.8  # not cut
    spread = np.abs(near[:, 3])
    assert (spread < 0.01).mean() == pytest.approx(0.5 * 0.954 + 0.5 * 0.158, abs=0.03)  # two normal distributions


def test_any_slice_is_a_fair_sample() -> None:
    target = build(sphere(0.5), config=SdfTargetConfig(num_surface=2000, num_volume=10, num_near=2000))
    for points in (target["surface"], target["near"]):
        assert np.abs(points[:200, :3].astype(np.float32).mean(axis=0)).max() < 0.12  # unshuffled: one side only
    halves = np.abs(target["near"][:200, 3].astype(np.float32))
    assert 0.3 < (halves < 0.01).mean() < 0.8


def test_same_seed_same_bytes_other_seed_other_points() -> None:
    first, again, other = build(sphere(), 3), build(sphere(), 3), build(sphere(), 4)
    for name in first:
        assert first[name].tobytes() == again[name].tobytes()
        assert first[name].tobytes() != other[name].tobytes()


def test_a_distance_at_hand_is_used_and_gives_the_same() -> None:
    mesh = sphere()
    given = build_sdf_target(mesh, config=CONFIG, rng=np.random.default_rng(0), distance=SignedDistance(mesh))[0]
    assert np.array_equal(given["near"], build(mesh)["near"])


def test_what_no_level_set_has_is_counted_by_area() -> None:
    outer, inner = box((1.2, 0.8, 0.8)), box((0.6, 0.4, 0.4))
    areas = np.array([2 * (2 * 0.96 + 0.64), 2 * (2 * 0.24 + 0.16), 0.5])
    sheet = Mesh(np.array([[0.9, -0.5, 0], [0.9, 0.5, 0], [0.9, 0.5, 0.5], [0.9, -0.5, 0.5]]), [[0, 1, 2], [0, 2, 3]])
    for parts, lost in (
        ([outer], 0),
        ([inside_out(outer)], 0),
        ([outer, sheet], areas[2] / areas[[0, 2]].sum()),
        ([outer, inner], areas[1] / areas[:2].sum()),
    ):
        starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
        faces = np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=False)])
        mesh = Mesh(np.concatenate([part.vertices for part in parts]), faces)
        facts = facts_of(mesh)
        assert facts["lost_surface"] == pytest.approx(lost, abs=0.02)


def test_an_open_surface_that_is_filled_is_noted() -> None:
    """So is a bowl, a basin, a dome, a cup and a box without lid; a sheet is lost, and a solid is what it is."""
    ball, solid = sphere(0.8, subdivisions=4), box(EXTENTS)
    height = ball.triangles[..., 1]
    lid = solid.triangles[..., 1].min(axis=1) > solid.vertices[:, 1].max() - 1e-6
    bowls = {
        "bowl": Mesh(ball.vertices, ball.faces[height.max(axis=1) < 0.4]),
        "basin": Mesh(ball.vertices * np.float32([1, 0.4, 1]), ball.faces[height.max(axis=1) < 0.1]),
        "dome": Mesh(ball.vertices, ball.faces[height.min(axis=1) > -0.4]),
        "cup, inside out": inside_out(Mesh(ball.vertices * np.float32([0.6, 1, 0.6]), ball.faces[height[:, 0] < 0.3])),
        "box without lid": Mesh(solid.vertices, solid.faces[~lid]),
    }
    for name, mesh in bowls.items():
        facts = facts_of(mesh)
        assert "filled" in facts["notes"][0] and facts["inside_fraction"] > 0.01, name
    sheet = Mesh(np.array([[-0.9, 0, -0.9], [0.9, 0, -0.9], [0, 0, 0.9]]), np.array([[0, 1, 2]]))
    for mesh in (ball, solid, inside_out(solid), sheet):
        assert "notes" not in facts_of(mesh)


def test_bad_settings_and_flat_meshes_are_named() -> None:
    with pytest.raises(ConfigError, match=r"num_near 0.*1 to"):
        SdfTargetConfig(num_near=0)
    with pytest.raises(ConfigError, match="near_std"):
        SdfTargetConfig(near_std=())
    with pytest.raises(AssetError, match="no_surface"):
        build(Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]])))


def test_an_object_beyond_the_limits_is_left_out_with_its_metric() -> None:
    sheet = Mesh(np.array([[-0.9, 0, -0.9], [0.9, 0, -0.9], [0, 0, 0.9]]), np.array([[0, 1, 2]]))
    small = {"num_surface": 100, "num_sharp": 100, "num_volume": 500, "num_near": 1000}
    build(sheet, config=SdfTargetConfig(**small))
    with pytest.raises(AssetError, match=r"lost_surface: 1\.000; max_lost_surface is 0\.9"):
        build(sheet, config=SdfTargetConfig(**small, max_lost_surface=0.9))
    with pytest.raises(AssetError, match="no_inside"):
        build(sheet, config=SdfTargetConfig(**small, min_inside_fraction=0.01))
    build(box(EXTENTS), config=SdfTargetConfig(**small, max_lost_surface=0.1, min_inside_fraction=0.01))
    with pytest.raises(ConfigError, match="max_lost_surface"):
        SdfTargetConfig(max_lost_surface=2)
