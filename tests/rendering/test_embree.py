from dataclasses import replace

import numpy as np
import pytest
from shapes import box, inside_out, sphere

from ltm3d.geometry.base_color import srgb_to_linear
from ltm3d.geometry.cleaning import clean_mesh
from ltm3d.geometry.face_colors import FaceColors, texel_places
from ltm3d.geometry.mesh import Mesh, concatenate
from ltm3d.geometry.normalize import normalize
from ltm3d.mesh_io.loading import load_mesh
from ltm3d.rendering.cameras import ViewConfig, orbit_camera, view_cameras
from ltm3d.rendering.embree import render
from ltm3d.rendering.pixels import Views

CONFIG = ViewConfig(resolution=64, field_of_view=60.0)
FRONT = orbit_camera(0, 0, 3.0)[None]


def look(mesh: Mesh, cameras: np.ndarray = FRONT, config: ViewConfig = CONFIG, **lights: np.ndarray) -> Views:
    return render(mesh, cameras, config=config, **lights)


def test_shapes_and_dtypes_follow_the_schema() -> None:
    views = look(sphere(), view_cameras(CONFIG, 0))
    assert views.images.shape == (6, 64, 64, 4) and views.images.dtype == np.uint8
    assert views.depth.shape == (6, 64, 64) and views.depth.dtype == np.float16
    assert views.normals.shape == (6, 64, 64, 3) and views.normals.dtype == np.int8


def test_silhouette_of_a_sphere_is_the_closed_form_disc() -> None:
    alpha = look(sphere(0.8, subdivisions=5)).images[0, ..., 3] / 255
    sine = 0.8 / 3.0
    radius = sine / np.sqrt(1 - sine**2) / CONFIG.half_tangent * 32  # pixels
    assert alpha.sum() == pytest.approx(np.pi * radius**2, rel=0.01)
    rows, columns = np.nonzero(alpha)
    assert rows.mean() == pytest.approx(31.5, abs=0.1) and columns.mean() == pytest.approx(31.5, abs=0.1)
    edge = (alpha > 0) & (alpha < 1)
    assert edge.any() and set(np.unique(np.rint(alpha[edge] * 255))) <= {64, 128, 191}  # quarters: 2 x 2 rays


def test_depth_is_measured_along_the_axis() -> None:
    views = look(box((1.0, 1.0, 1.0)))
    depth = views.depth[0].astype(np.float32)
    assert depth[32, 32] == pytest.approx(2.5, abs=2e-3)
    assert depth[depth > 0] == pytest.approx(np.full((depth > 0).sum(), 2.5), abs=2e-3)  # flat: not along the rays
    assert ((depth > 0) == (views.images[0, ..., 3] > 0)).all()


def test_right_is_right_and_up_is_up() -> None:
    red = box((0.3, 0.3, 0.3), (0.6, 0.6, 0), color=(255, 0, 0))
    blue = box((0.3, 0.3, 0.3), (-0.6, -0.6, 0), color=(0, 0, 255))
    image = look(concatenate([red, blue])).images[0]
    upper_right, lower_left = image[:32, 32:], image[32:, :32]
    assert (upper_right[upper_right[..., 3] == 255][:, 0] > 80).all() and (upper_right[..., 3] == 255).sum() > 20
    assert (lower_left[lower_left[..., 3] == 255][:, 2] > 80).all() and (lower_left[..., 3] == 255).sum() > 20
    assert image[:32, :32, 3].max() == 0 and image[32:, 32:, 3].max() == 0


def test_normals_are_of_the_world_and_face_the_camera() -> None:
    for mesh in (box(), inside_out(box())):
        normals = look(mesh).normals[0]
        assert normals[32, 32].tolist() == [0, 0, 127]
    from_right = look(box(), orbit_camera(90, 0, 3.0)[None]).normals[0]
    assert from_right[32, 32].tolist() == [127, 0, 0]
    ball = look(sphere(0.8)).normals[0].astype(np.float32)
    seen = np.linalg.norm(ball, axis=-1) > 0
    assert np.linalg.norm(ball[seen], axis=-1) == pytest.approx(np.full(seen.sum(), 127.0), abs=1.5)
    assert (ball[:20, 32][seen[:20, 32]][:, 1] > 60).all()


def test_winding_does_not_change_the_picture() -> None:
    mesh = sphere()
    assert np.abs(look(mesh).images.astype(int) - look(inside_out(mesh)).images).max() <= 1


def test_edges_are_straight_alpha_not_mixed_with_a_background() -> None:
    image = look(box((1.0, 1.0, 1.0), color=(250, 10, 10)), orbit_camera(20, 0, 3.0)[None]).images[0]
    edge = (image[..., 3] > 0) & (image[..., 3] < 255)
    whole = image[..., 3] == 255
    assert edge.sum() > 10
    assert image[edge][:, 0].min() >= image[whole][:, 0].min() - 1  # premultiplied edges would be darker
    assert (image[~(edge | whole)] == 0).all()


def test_colours_show_and_white_and_black_keep_their_shading() -> None:
    colors = {}
    for name, color in {"white": (255, 255, 255), "black": (0, 0, 0), "green": (0, 200, 0)}.items():
        image = look(Mesh(sphere().vertices, sphere().faces, np.tile(np.uint8(color), (len(sphere().vertices), 1))))
        colors[name] = image.images[0][image.images[0, ..., 3] == 255][:, :3].astype(int)
    assert colors["white"].max() < 255 and np.ptp(colors["white"][:, 0]) > 60
    assert colors["black"].max() < 60 and np.ptp(colors["black"][:, 0]) > 10
    assert (colors["green"][:, 1] > 1.5 * colors["green"][:, 0]).all()
    grey = look(sphere()).images[0]
    assert np.ptp(grey[grey[..., 3] == 255][:, :3].astype(int), axis=1).max() == 0


def test_supersampling_averages_what_single_rays_see() -> None:
    mesh = concatenate([sphere(0.5), box((1.5, 0.1, 0.1), color=(200, 20, 20))])
    fine = look(mesh, config=ViewConfig(resolution=128, supersample=1, field_of_view=60.0))
    coarse = look(mesh, config=ViewConfig(resolution=64, supersample=2, field_of_view=60.0))
    cover = (fine.images[0, ..., 3] / 255).reshape(64, 2, 64, 2).mean(axis=(1, 3))
    assert coarse.images[0, ..., 3] / 255 == pytest.approx(cover, abs=0.003)


def test_a_camera_inside_the_object_and_one_that_looks_away() -> None:
    inside = orbit_camera(0, 0, 0.0)
    inside[:3, 3] = 0
    assert (look(box(), inside[None]).images[0, ..., 3] == 255).all()
    away = orbit_camera(180, 0, 3.0)
    away[:3, 3] = (0, 0, 3)
    assert look(box(), away[None]).images.max() == 0
    aside = FRONT.copy()
    aside[0, :3, 3] += (50, 0, 0)
    assert look(box(), aside).images.max() == 0


def test_each_view_has_its_own_light() -> None:
    lights = np.array([[0.3, 0.7], [0.15, 0.35], [0.0, 0.7]])
    pale = Mesh(sphere().vertices, sphere().faces, np.full(sphere().vertices.shape, 200, np.uint8))
    images = look(pale, np.repeat(FRONT, 3, axis=0), lights=lights).images.astype(float)
    assert np.array_equal(images[0], look(pale, config=replace(CONFIG, sky=0.3, headlight=0.7)).images[0])
    full, half, without_sky = (srgb_to_linear(image[..., :3].astype(np.uint8)) for image in images)
    inner = images[0, ..., 3] == 255
    assert half[inner] == pytest.approx(full[inner] / 2, abs=0.01)
    assert (without_sky[inner] < full[inner]).all() and without_sky[32, 32].max() > 0.2


def test_a_mesh_without_faces_is_background() -> None:
    views = look(Mesh(np.zeros((0, 3)), np.zeros((0, 3))))
    assert not (views.images.any() or views.depth.any() or views.normals.any())


def test_the_back_of_a_sheet_is_seen_like_its_front() -> None:
    sheet = Mesh(
        np.array([[-0.8, -0.6, 0], [0.8, -0.6, 0], [0.8, 0.6, 0], [-0.8, 0.6, 0]]), np.array([[0, 1, 2], [0, 2, 3]])
    )
    cameras = np.stack([orbit_camera(azimuth, 10, 4.0) for azimuth in (15, 195)])
    for mesh in (sheet, inside_out(sheet)):
        views = look(mesh, cameras)
        front, back = (views.normals[view][views.images[view, ..., 3] == 255] for view in (0, 1))
        assert (front == [0, 0, 127]).all() and (back == [0, 0, -127]).all() and len(back) > 200


def test_same_input_same_bytes() -> None:
    first, second = (render(sphere(), view_cameras(CONFIG, 0), config=CONFIG) for _ in range(2))
    assert first.images.tobytes() == second.images.tobytes()


def test_real_assets_fill_their_pictures_with_contrast(shared_data) -> None:
    config = ViewConfig(num_views=2, resolution=64)
    for path in sorted(shared_data.glob("shapenet/*/*/models/*.obj"))[::60]:
        mesh, _ = normalize(clean_mesh(load_mesh(path, root=path.parents[1])), front="-z")
        images = render(mesh, view_cameras(config, 0, mesh), config=config).images
        for image in images:
            seen = image[..., 3] >= 8
            span = max(np.ptp(np.nonzero(seen.any(axis=axis))[0]) + 1 for axis in (0, 1))
            assert 0.84 * 64 <= span <= 0.97 * 64, path


def test_colours_within_faces_are_drawn_where_they_are() -> None:
    cube = box((1, 1, 1), color=(128, 128, 128))
    levels = np.where(cube.triangles[..., 2].min(axis=1) > 0.4, 40, 0).astype(np.uint8)  # the two faces of the front
    faces, weights = texel_places(levels)
    places = np.einsum("tc,tcx->tx", weights, cube.triangles[faces])
    colors = np.where(places[:, :1] < 0, (200, 0, 0), (0, 0, 200))
    marked = replace(cube, face_colors=FaceColors(levels, colors))
    image = look(marked).images[0].astype(int)
    rows, columns = np.nonzero(image[..., 3] == 255)
    middle = (columns.min() + columns.max()) / 2
    left = image[rows[columns < middle - 2], columns[columns < middle - 2]]
    right = image[rows[columns > middle + 2], columns[columns > middle + 2]]
    assert (left[:, 0] > 1.5 * left[:, 2]).all() and (right[:, 2] > 1.5 * right[:, 0]).all()
    grey, other = look(cube), look(marked)
    assert np.array_equal(grey.depth, other.depth) and np.array_equal(grey.normals, other.normals)
