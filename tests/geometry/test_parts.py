import numpy as np
import pytest
from shapes import box

from ltm3d.errors import AssetError
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.parts import Part, drop_degenerate, place, select_faces


def part() -> Part:
    uv = np.arange(72.0).reshape(12, 3, 2)
    return Part(vertices=box().vertices.astype(float), faces=box().faces, uv=uv, light=np.zeros((12, 3, 3), np.float32))


def volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = vertices[faces].transpose(1, 0, 2)
    return float(np.einsum("fx,fx->f", a, np.cross(b, c)).sum() / 6)


def test_some_faces_bring_their_own_vertices_and_corners() -> None:
    few = select_faces(part(), np.array([11, 0]))
    assert np.array_equal(few.vertices[few.faces], part().vertices[part().faces[[11, 0]]])
    assert np.array_equal(few.uv, part().uv[[11, 0]]) and len(few.vertices) < 8 and few.light.shape == (2, 3, 3)


def test_a_mirror_turns_faces_and_what_stands_at_their_corners() -> None:
    mirror = np.diag([-1.0, 2, 1, 1])
    mirror[:3, 3] = (5, 0, 0)
    placed = place(part(), mirror)
    assert volume(placed.vertices, placed.faces) == pytest.approx(2)
    assert np.array_equal(placed.uv, part().uv[:, ::-1])
    assert np.array_equal(place(part(), np.eye(4)).uv, part().uv)


def test_lines_and_points_go_and_slivers_stay() -> None:
    flat = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [1, 1e-6, 0], [1e6, 0, 0]], float)
    flat = np.concatenate([flat, [[0.5, 1e30, 0]]])
    faces = np.array([[0, 1, 2], [0, 0, 1], [4, 4, 4], [0, 1, 3], [0, 4, 1], [0, 1, 5]])
    kept = drop_degenerate(Part(vertices=flat, faces=faces))
    assert np.array_equal(kept.vertices[kept.faces], flat[[[0, 1, 3], [0, 1, 5]]]) and len(kept.vertices) == 4


def test_sizes_do_not_matter() -> None:
    for scale in (1e-12, 1e12, 1e100):
        assert len(drop_degenerate(Part(vertices=box().vertices.astype(float) * scale, faces=box().faces)).faces) == 12


def test_what_is_no_number_stays_to_be_named() -> None:
    vertices = box().vertices.astype(float)
    vertices[0] = np.nan
    assert len(drop_degenerate(Part(vertices=vertices, faces=box().faces)).faces) == 12


def test_faces_of_no_vertex_are_refused() -> None:
    for number in (8, -1):
        with pytest.raises(AssetError, match=f"parse_error.*vertex {number}"):
            Part(vertices=Mesh(box().vertices, box().faces).vertices, faces=np.array([[0, 1, number]]))
