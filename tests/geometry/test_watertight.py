import numpy as np
import pytest
from shapes import box, box_distance, inside_out, sphere, uniform_points

from ltm3d.errors import ConfigError
from ltm3d.geometry.mesh import Mesh, concatenate, is_watertight
from ltm3d.geometry.signed_distance import SignedDistance
from ltm3d.geometry.watertight import RemeshConfig, remesh_watertight

CONFIG = RemeshConfig(resolution=64)


def without_faces(mesh: Mesh, *removed: int) -> Mesh:
    return Mesh(mesh.vertices, np.delete(mesh.faces, removed, axis=0), mesh.vertex_colors)


def test_what_is_watertight_is_not_wrapped_again() -> None:
    mesh = sphere()
    assert remesh_watertight(mesh, CONFIG) is mesh


def test_an_open_box_is_closed_at_the_offset() -> None:
    mesh = without_faces(box((1.2, 0.8, 0.6)), 0)
    closed = remesh_watertight(mesh, CONFIG)
    assert is_watertight(closed)
    offset = box_distance(closed.vertices, (1.2, 0.8, 0.6)) - CONFIG.offset
    assert np.quantile(np.abs(offset), 0.95) < 2 / 64
    assert SignedDistance(closed)(np.zeros((1, 3)))[0] < -0.2


def test_a_sheet_becomes_a_plate_without_gaps() -> None:
    sheet = Mesh(
        np.array([[-0.9, -0.3, -0.5], [0.9, 0.4, -0.5], [0.9, 0.4, 0.6], [-0.9, -0.3, 0.6]]),
        np.array([[0, 1, 2], [0, 2, 3]]),
    )
    plate = remesh_watertight(sheet, CONFIG)
    assert is_watertight(plate)
    points = uniform_points(400)
    weights = np.random.default_rng(0).dirichlet(np.ones(3), 400)
    inside = np.einsum("qc,qcx->qx", weights, sheet.triangles[np.arange(400) % 2]).astype(np.float32)
    assert (SignedDistance(plate)(inside) < 0).all()
    np.testing.assert_allclose(
        SignedDistance(plate).unsigned(points),
        np.abs(SignedDistance(sheet).unsigned(points) - CONFIG.offset),
        atol=0.02,
    )


@pytest.mark.parametrize("change", [lambda mesh: mesh, inside_out])
def test_parts_are_all_kept_with_their_colours(change) -> None:
    red, blue = box((0.5, 0.5, 0.5), (-0.6, 0, 0), (250, 0, 0)), box((0.5, 0.5, 0.5), (0.6, 0, 0), (0, 0, 250))
    closed = remesh_watertight(change(without_faces(concatenate([red, blue]), 0)), CONFIG)
    assert is_watertight(closed)
    left = closed.vertices[:, 0] < 0
    assert 0.4 < left.mean() < 0.6
    assert (closed.vertex_colors[left] == (250, 0, 0)).all() and (closed.vertex_colors[~left] == (0, 0, 250)).all()


def test_an_offset_with_gaps_is_refused_with_the_smallest_that_has_none() -> None:
    with pytest.raises(ConfigError, match=r"epsilon 0.001 is out of range; at resolution 64 use 0.02706 to 0.1"):
        RemeshConfig(resolution=64, epsilon=0.001)
    with pytest.raises(ConfigError, match="resolution 8"):
        RemeshConfig(resolution=8)
