import numpy as np
import trimesh

from ltm3d.geometry.mesh import Mesh, concatenate
from ltm3d.geometry.pieces import face_pieces, keep_largest, num_pieces


def ball(radius: float, x: float) -> Mesh:
    solid = trimesh.creation.icosphere(subdivisions=1, radius=radius)
    return Mesh(solid.vertices + np.array([x, 0, 0]), solid.faces, np.full((len(solid.vertices), 3), 200, np.uint8))


def test_balls_apart_are_pieces_and_the_largest_stays_with_its_colours() -> None:
    three = concatenate([ball(0.1, -1), ball(0.3, 0), ball(0.2, 1)])
    assert num_pieces(three) == 3
    assert [len(set(part)) for part in np.split(face_pieces(three), 3)] == [1, 1, 1]
    kept = keep_largest(three)
    assert num_pieces(kept) == 1 and np.allclose(kept.vertices, ball(0.3, 0).vertices)
    assert kept.vertex_colors is not None and (kept.vertex_colors == 200).all()


def test_triangles_that_touch_in_a_place_are_one_piece_whatever_their_vertices() -> None:
    soup = ball(0.5, 0)
    soup = Mesh(soup.triangles.reshape(-1, 3), np.arange(3 * len(soup.faces)).reshape(-1, 3))
    assert num_pieces(soup) == 1 and keep_largest(soup) is soup


def test_nothing_has_no_piece() -> None:
    empty = Mesh(np.zeros((3, 3)), np.zeros((0, 3)))
    assert num_pieces(empty) == 0 and keep_largest(empty) is empty


def test_many_small_faces_do_not_outweigh_a_large_one() -> None:
    plate = Mesh(np.array([[0, 5, 0], [9, 5, 0], [0, 5, 9]]), np.array([[0, 1, 2]]), np.zeros((3, 3), np.uint8))
    assert len(keep_largest(concatenate([ball(0.1, 0), plate])).faces) == 1
