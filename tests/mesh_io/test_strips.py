import numpy as np

from ltm3d.mesh_io.strips import fan_triangles, strip_triangles


def test_every_other_triangle_of_a_strip_is_turned() -> None:
    assert strip_triangles(np.array([5, 6, 7, 8, 9])).tolist() == [[5, 6, 7], [6, 8, 7], [7, 8, 9]]


def test_a_restart_ends_a_strip() -> None:
    indices = np.array([0, 1, 2, -1, 3, 4, -1, -1, 5, 6, 7, 8])
    assert strip_triangles(indices, restart=-1).tolist() == [[0, 1, 2], [5, 6, 7], [6, 8, 7]]


def test_a_fan_turns_around_its_first_vertex() -> None:
    assert fan_triangles(np.array([9, 1, 2, 3])).tolist() == [[1, 2, 9], [2, 3, 9]]


def test_too_few_vertices_are_no_triangle() -> None:
    for few in (np.zeros(0, np.int64), np.array([1]), np.array([1, 2])):
        assert strip_triangles(few).shape == fan_triangles(few).shape == (0, 3)
