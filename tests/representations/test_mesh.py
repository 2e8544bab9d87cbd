import numpy as np
import pytest
from shapes import box, inside_out, sphere, torus

from ltm3d.errors import AssetError, ConfigError
from ltm3d.geometry.cleaning import geometry_signature
from ltm3d.geometry.decimation import surface_deviation
from ltm3d.geometry.mesh import Mesh, concatenate, face_areas, is_watertight
from ltm3d.representations.mesh import (
    MeshTargetConfig,
    build_mesh_target,
    dequantize,
    mesh_of_target,
    quantize,
    sort_faces,
)
from ltm3d.schema import MESH_TARGETS

CONFIG = MeshTargetConfig(max_faces=300, num_cells=256, max_decimation_error=0.05)


def build(mesh: Mesh, config: MeshTargetConfig = CONFIG) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    return build_mesh_target(mesh, config=config, rng=np.random.default_rng(0))


def back(target: dict[str, np.ndarray], config: MeshTargetConfig = CONFIG) -> Mesh:
    return mesh_of_target(target["triangles"], target["mask"], num_cells=config.num_cells)


def test_fields_are_those_of_the_schema_with_padding_at_the_end() -> None:
    target, facts = build(box((1.9, 1.0, 0.5)))
    assert [field.name for field in MESH_TARGETS] == list(target)
    assert target["triangles"].shape == (300, 3, 3) and target["triangles"].dtype == np.int16
    assert target["mask"].tolist() == [True] * 12 + [False] * 288
    assert (target["triangles"][12:] == -1).all() and target["triangles"][:12].min() >= 0
    assert facts["num_target_faces"] == 12 and facts["num_lost_faces"] == 0 and facts["decimation_error"] == 0


@pytest.mark.parametrize("mesh", [box((1.9, 1.0, 0.5)), inside_out(box((1.9, 1.0, 0.5)))])
def test_there_and_back_is_the_same_surface_and_winding(mesh: Mesh) -> None:
    target, facts = build(mesh)
    again = back(target)
    assert is_watertight(again)
    assert facts["quantization_error"] <= np.sqrt(3) / 255
    assert surface_deviation(mesh, again, np.random.default_rng(0)) <= facts["quantization_error"] + 1e-6
    volume = [
        np.einsum("fx,fx->", m.triangles[:, 0], np.cross(m.triangles[:, 1], m.triangles[:, 2])) for m in (mesh, again)
    ]
    assert volume[0] * volume[1] > 0


def test_the_order_does_not_depend_on_the_files_order() -> None:
    mesh = torus()
    fine = MeshTargetConfig(max_faces=20_000, num_cells=1024)
    rng = np.random.default_rng(0)
    shuffled = Mesh(mesh.vertices, np.roll(mesh.faces[rng.permutation(len(mesh.faces))], 1, axis=1))
    first, second = build(mesh, fine)[0], build(shuffled, fine)[0]
    np.testing.assert_array_equal(first["triangles"], second["triangles"])
    heights = first["triangles"][first["mask"]][:, 0, 1]
    assert (np.diff(heights) >= 0).all(), "from the ground up"


def test_faces_start_at_their_lowest_corner_and_keep_their_winding() -> None:
    cells = np.array([[[5, 5, 0], [0, 0, 0], [9, 0, 0]]])
    assert sort_faces(cells).tolist() == [[[0, 0, 0], [9, 0, 0], [5, 5, 0]]]


def test_faces_that_fall_on_one_line_of_cells_are_lost_and_counted() -> None:
    needle = Mesh(np.array([[0, 0.5, 0], [0.5, 0.5, 0], [0.25, 0.5001, 0]]), np.array([[0, 1, 2]]))
    target, facts = build(concatenate([box(), needle]))
    assert facts["num_lost_faces"] == 1 and target["mask"].sum() == 12
    with pytest.raises(AssetError, match="no_surface: no face is left on 256 cells"):
        build(needle)


def test_more_faces_than_the_sequence_holds_are_made_fewer_within_the_bound() -> None:
    ball = sphere(0.9)  # 5,120 faces
    target, facts = build(ball)
    again = back(target)
    assert 200 < target["mask"].sum() <= 300
    assert 0 < facts["decimation_error"] <= 0.05
    assert surface_deviation(ball, again, np.random.default_rng(1)) <= 0.05 + facts["quantization_error"]
    assert face_areas(again).sum() == pytest.approx(4 * np.pi * 0.81, rel=0.05)  # 300 facets lie inside the ball
    tight = MeshTargetConfig(max_faces=20, max_decimation_error=0.01)
    with pytest.raises(AssetError, match=r"too_complex: 5,120 faces made \d+ lie 0\.\d+ off; the limit is 0\.01"):
        build(ball, tight)


def test_quantising_is_at_most_half_a_step_off() -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (1000, 3))
    assert np.abs(dequantize(quantize(points, 64), 64) - points).max() <= 1 / 63 + 1e-6
    assert quantize(np.array([-1.0, 0.999, 1.0, 7.0]), 64).tolist() == [0, 63, 63, 63]


def test_the_target_of_a_mesh_made_of_a_target_is_the_same() -> None:
    target, _ = build(sphere(0.9))
    again, facts = build(back(target))
    np.testing.assert_array_equal(target["triangles"], again["triangles"])
    assert facts["quantization_error"] < 1e-6
    assert geometry_signature(back(target)) == geometry_signature(back(again))


@pytest.mark.parametrize("settings", [{"max_faces": 3}, {"num_cells": 40_000}, {"max_decimation_error": 0}])
def test_settings_out_of_range(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        MeshTargetConfig(**settings)
