import numpy as np
import pytest
from shapes import box, inside_out, sphere

from ltm3d.geometry.mesh import Mesh, concatenate, face_areas, has_no_boundary, is_watertight


def test_mesh_takes_standard_dtypes_and_refuses_other_shapes() -> None:
    mesh = Mesh(vertices=np.zeros((3, 3)), faces=np.array([[0, 1, 2]], np.int32))
    assert mesh.vertices.dtype == np.float32 and mesh.faces.dtype == np.int64
    with pytest.raises(ValueError, match="vertices have the shape"):
        Mesh(vertices=np.zeros((3, 2)), faces=np.zeros((1, 3)))
    with pytest.raises(ValueError, match="faces name vertices 0 to 3"):
        Mesh(vertices=np.zeros((3, 3)), faces=np.array([[0, 1, 3]]))
    with pytest.raises(ValueError, match="vertex_colors"):
        Mesh(vertices=np.zeros((3, 3)), faces=np.array([[0, 1, 2]]), vertex_colors=np.zeros((2, 3), np.uint8))


def test_areas_of_a_box_sum_to_its_surface() -> None:
    assert face_areas(box((1.0, 2.0, 3.0))).sum() == pytest.approx(2 * (2 + 3 + 6))


def test_watertight_counts_positions_not_vertex_numbers() -> None:
    solid = box()
    split = Mesh(solid.triangles.reshape(-1, 3), np.arange(36).reshape(-1, 3))  # every face its own vertices
    assert is_watertight(solid) and is_watertight(split)
    opened = Mesh(solid.vertices, solid.faces[1:])
    assert not is_watertight(opened) and not has_no_boundary(opened)
    one_flipped = solid.faces.copy()
    one_flipped[0] = one_flipped[0, ::-1]
    assert not is_watertight(Mesh(solid.vertices, one_flipped))


def test_two_boxes_with_a_common_edge_have_no_boundary_but_are_not_watertight() -> None:
    pair = concatenate([box(center=(0, 0, 0)), box(center=(1, 1, 0))])
    assert has_no_boundary(pair) and not is_watertight(pair)
    assert has_no_boundary(inside_out(pair))


def test_concatenate_keeps_places_and_colours() -> None:
    joined = concatenate([box(color=(255, 0, 0)), sphere(subdivisions=1)])
    assert len(joined.faces) == 12 + 80
    assert joined.vertex_colors is not None
    assert (joined.vertex_colors[:8] == (255, 0, 0)).all() and (joined.vertex_colors[8:] == 128).all()
    assert np.allclose(joined.triangles[12:], sphere(subdivisions=1).triangles)
