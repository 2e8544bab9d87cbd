import numpy as np
import pytest
from shapes import box, sphere

from ltm3d.geometry.extent import core_extent, largest_part
from ltm3d.geometry.mesh import Mesh, concatenate


def test_a_stray_vertex_makes_the_core_small() -> None:
    mesh = sphere(1.0)
    assert core_extent(mesh) > 0.9 and core_extent(box()) == core_extent(box((1, 0.01, 0.01))) == 1
    assert core_extent(Mesh(np.where(np.arange(8)[:, None] == 3, 1000, box().vertices), box().faces)) < 0.002
    for distance in (100.0, 1000.0):
        vertices = mesh.vertices.copy()
        vertices[7] = (distance, 0, 0)
        assert core_extent(Mesh(vertices, mesh.faces)) == pytest.approx(2 / (distance + 1), rel=0.05)


def test_copies_of_a_vertex_count_once() -> None:
    mesh = sphere(1.0)
    soup = Mesh(mesh.triangles.reshape(-1, 3), np.arange(3 * len(mesh.faces)).reshape(-1, 3))
    assert core_extent(soup) == core_extent(mesh)


def test_the_largest_part_by_area() -> None:
    pair = concatenate([box((1, 1, 1)), box((2, 2, 2), center=(5, 0, 0))])
    assert largest_part(pair) == pytest.approx(0.8) and largest_part(box()) == pytest.approx(1)
