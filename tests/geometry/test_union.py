import numpy as np
import pytest
import trimesh

from ltm3d.errors import AssetError
from ltm3d.geometry.mesh import Mesh, face_areas, is_watertight
from ltm3d.geometry.union import unite


def box(center: float, color: int) -> Mesh:
    shape = trimesh.creation.box(extents=(1, 1, 1))
    vertices = np.asarray(shape.vertices) + np.array([center, 0, 0])
    return Mesh(vertices, np.asarray(shape.faces), np.full(vertices.shape, color, np.uint8))


def volume(mesh: Mesh) -> float:
    corners = mesh.vertices.astype(np.float64)[mesh.faces]
    return float(np.einsum("fi,fi->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6)


def test_the_overlap_counts_once_and_hidden_faces_are_gone() -> None:
    united = unite([box(0.0, 10), box(0.5, 200)])
    assert volume(united) == pytest.approx(1.5, abs=1e-5)
    assert face_areas(united).sum() == pytest.approx(2 + 4 * 1.5, abs=1e-5)
    assert is_watertight(united)


def test_each_part_keeps_its_colour() -> None:
    united = unite([box(0.0, 10), box(0.5, 200)])
    assert united.vertex_colors is not None
    end = united.vertices[:, 0] > 0.99
    assert set(united.vertex_colors[end].ravel().tolist()) == {200}
    assert set(united.vertex_colors[united.vertices[:, 0] < -0.49].ravel().tolist()) == {10}


def test_disjoint_parts_stay() -> None:
    assert volume(unite([box(0.0, 10), box(3.0, 10)])) == pytest.approx(2.0, abs=1e-5)


def test_an_open_part_is_refused() -> None:
    whole = box(0.0, 10)
    with pytest.raises(AssetError, match="part 1 of 2 is not closed"):
        unite([box(2.0, 10), Mesh(whole.vertices, whole.faces[:-1])])
