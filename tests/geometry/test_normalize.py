import numpy as np
import pytest
from shapes import box

from ltm3d.errors import AssetError, ConfigError
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.normalize import AXES, denormalize, frame_rotation, normalize, rotate_to_frame


def test_longest_side_fills_the_frame_and_the_rest_keeps_its_proportion() -> None:
    mesh, _ = normalize(box((4.0, 2.0, 1.0), center=(7.0, -3.0, 100.0)))
    assert mesh.vertices.max(axis=0) == pytest.approx([0.95, 0.475, 0.2375], abs=1e-5)
    assert mesh.vertices.min(axis=0) == pytest.approx([-0.95, -0.475, -0.2375], abs=1e-5)


def test_every_pair_of_axes_is_a_proper_rotation_to_y_up_and_z_front() -> None:
    pairs = [(up, front) for up in AXES for front in AXES if up[1] != front[1]]
    assert len(pairs) == 24
    for up, front in pairs:
        rotation = frame_rotation(up, front)
        assert np.linalg.det(rotation) == pytest.approx(1.0)
        for axis, target in ((up, [0, 1, 0]), (front, [0, 0, 1])):
            vector = np.zeros(3)
            vector["xyz".index(axis[1])] = 1.0 if axis[0] == "+" else -1.0
            assert np.allclose(rotation @ vector, target)


def test_shapenet_front_turns_half_around() -> None:
    turned = rotate_to_frame(np.array([[1.0, 2.0, 3.0]]), up="+y", front="-z")
    assert np.allclose(turned, [[-1.0, 2.0, -3.0]])


def test_normalization_leads_back_to_the_source() -> None:
    source = box((0.3, 5.0, 2.0), center=(1.0, 2.0, 3.0))
    mesh, normalization = normalize(source)
    assert np.allclose(denormalize(mesh.vertices, normalization), source.vertices, atol=1e-5)


def test_bad_axes_and_bad_meshes_are_named() -> None:
    with pytest.raises(ConfigError, match="unknown"):
        normalize(box(), up="y")
    with pytest.raises(ConfigError, match="one line"):
        normalize(box(), up="+y", front="-y")
    with pytest.raises(AssetError, match="no_surface"):
        normalize(Mesh(np.ones((3, 3)), np.array([[0, 1, 2]])))
    with pytest.raises(AssetError, match="non_finite"):
        normalize(Mesh(np.array([[np.inf, 0, 0], [0, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]])))
