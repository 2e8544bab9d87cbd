import numpy as np
import pytest
import trimesh
from shapes import box, from_trimesh, inside_out, sphere, torus

from ltm3d.geometry.base_color import linear_to_srgb
from ltm3d.geometry.mesh import Mesh, face_cross
from ltm3d.rendering.shading import albedo, corner_normals, diffuse_light, fast_linear_to_srgb


def test_a_round_thing_is_smooth_and_a_box_stays_flat() -> None:
    ball = sphere(1.0, subdivisions=3)
    smooth = corner_normals(ball)
    assert np.einsum("fkx,fkx->fk", smooth, ball.triangles).min() > 0.999
    solid = box((1, 2, 3))
    flat = face_cross(solid)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    assert corner_normals(solid) == pytest.approx(np.repeat(flat[:, None], 3, axis=1), abs=1e-6)


def test_a_cylinder_is_smooth_around_and_sharp_at_its_rims() -> None:
    cylinder = from_trimesh(trimesh.creation.cylinder(radius=0.5, height=1.0, sections=24))
    normals, points = corner_normals(cylinder), cylinder.triangles
    cap = np.abs(np.abs(normals[..., 2]) - 1) < 1e-5
    side = np.abs(normals[..., 2]) < 1e-5
    assert (cap | side).all() and cap.any() and side.any()
    radial = points[..., :2] / np.maximum(np.linalg.norm(points[..., :2], axis=-1, keepdims=True), 1e-9)
    assert np.einsum("cx,cx->c", normals[side][:, :2], radial[side]).min() > 0.99


def test_vertices_split_for_colours_shade_as_one() -> None:
    mesh = torus()
    split = Mesh(mesh.triangles.reshape(-1, 3), np.arange(3 * len(mesh.faces)).reshape(-1, 3))
    assert corner_normals(split) == pytest.approx(corner_normals(mesh), abs=1e-5)


def test_turned_faces_turn_their_normals_and_degenerate_ones_do_no_harm() -> None:
    assert corner_normals(inside_out(sphere()))[:, ::-1] == pytest.approx(-corner_normals(sphere()), abs=1e-5)
    flat = Mesh(np.concatenate([box().vertices, [[0, 0, 0]]]), np.concatenate([box().faces, [[8, 8, 8]]]))
    assert np.isfinite(corner_normals(flat)).all()


def test_light_comes_from_above_and_from_beside_the_camera() -> None:
    faces = np.array([[0, 0, 1], [0, 1, 0], [0, -1, 0], [1, 0, 0], [-1, 0, 0]], np.float32)
    toward, up, down, right, left = diffuse_light(faces, np.eye(3, dtype=np.float32), sky=0.3, headlight=0.7)
    assert toward > left > right and up > down and down >= 0
    assert diffuse_light(faces, np.eye(3, dtype=np.float32), sky=0, headlight=0) == pytest.approx(np.zeros(5))


def test_the_table_follows_the_curve() -> None:
    light = np.linspace(0, 1.2, 1000).astype(np.float32)
    assert np.abs(fast_linear_to_srgb(light).astype(int) - linear_to_srgb(light)).max() <= 1


@pytest.mark.parametrize(("mesh", "expected"), [(box(), 24), (sphere(), len(sphere().vertices))])
def test_the_corners_at_a_vertex_share_a_normal_but_over_creases(mesh: Mesh, expected: int) -> None:
    corners = np.concatenate([mesh.triangles, corner_normals(mesh)], axis=2).reshape(-1, 6)
    assert len(np.unique(corners.astype(np.float32), axis=0)) == expected  # three sides meet at each corner of a box


def test_black_and_white_leave_room_for_shading() -> None:
    colors = np.array([[0, 0, 0], [255, 255, 255], [188, 188, 188]])
    black, white, middle = albedo(Mesh(np.eye(3), np.array([[0, 1, 2]]), colors))
    assert 0 < black[0] < 0.05 and 0.8 < white[0] < 1 and middle[0] == pytest.approx((black + white)[0] / 2, abs=0.01)
