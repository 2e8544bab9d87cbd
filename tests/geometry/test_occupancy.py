import numpy as np
import pytest
from shapes import box, box_distance, inside_out, sphere, sphere_distance, uniform_points

from ltm3d.geometry.mesh import Mesh, concatenate
from ltm3d.geometry.occupancy import ENCLOSED, NARROW_BAND, OUTSIDE, FloodFill
from ltm3d.geometry.raycasting import RayScene
from ltm3d.geometry.triangle_tree import TriangleTree


def flood(mesh: Mesh, resolution: int = 64) -> FloodFill:
    return FloodFill(mesh, RayScene(mesh), resolution=resolution)


def classify(mesh: Mesh, points: np.ndarray, resolution: int = 64) -> np.ndarray:
    return flood(mesh, resolution).classify(points, TriangleTree(mesh).closest_points(points)[0])


@pytest.mark.parametrize("turn", [0.0, 0.3, 0.7])
def test_the_band_is_tight_for_triangles_of_any_size_and_direction(turn: float) -> None:
    cosine, sine = np.cos(turn), np.sin(turn)
    rotation = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]) @ np.array(
        [[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]]
    )
    for extents in ((1.0, 1.0, 1.0), (1.4, 0.5, 0.2)):
        solid = box(extents)
        turned = Mesh(solid.vertices @ rotation.T, solid.faces)
        points = uniform_points(20_000)
        labels = flood(turned).lookup(points)
        truth = box_distance(points @ rotation, extents)
        assert (truth[labels == ENCLOSED] < 0).all() and (truth[labels == OUTSIDE] > 0).all()
        assert (labels == ENCLOSED).any()
        assert np.abs(truth[labels == NARROW_BAND]).max() < 4 * 1.9 / 64


def test_winding_does_not_matter() -> None:
    mesh, points = sphere(), uniform_points(2000)
    faces = mesh.faces.copy()
    faces[::2] = faces[::2, ::-1]
    for variant in (inside_out(mesh), Mesh(mesh.vertices, faces)):
        assert np.array_equal(flood(variant).labels, flood(mesh).labels)
        assert np.array_equal(classify(variant, points), classify(mesh, points))


def test_points_of_the_band_take_the_label_of_what_they_see() -> None:
    mesh = sphere(subdivisions=5)
    directions = uniform_points(4000) + 1e-3
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    offsets = np.random.default_rng(0).uniform(-0.02, 0.02, 4000).astype(np.float32)
    points = directions * (0.8 + offsets)[:, None]
    clear = np.abs(sphere_distance(points)) > 1e-3  # farther off than the facets are
    labels = classify(mesh, points)
    assert np.array_equal(labels[clear] == ENCLOSED, offsets[clear] < 0)
    assert (labels[clear] != NARROW_BAND).all()


def test_a_room_in_a_room_is_enclosed_and_a_missing_wall_opens_it() -> None:
    room = concatenate([box((1.8, 1.8, 1.8)), box()])
    points = np.array([[0, 0, 0], [0.7, 0, 0], [0.95, 0, 0]], np.float32)
    assert classify(room, points).tolist() == [ENCLOSED, ENCLOSED, OUTSIDE]
    solid = box()
    lid = solid.triangles[..., 1].mean(axis=1) > 0.49
    assert classify(Mesh(solid.vertices, solid.faces[~lid]), points[:1]).tolist() == [OUTSIDE]


def test_parts_thinner_than_the_band_stay_undecided_inside_and_clear_outside() -> None:
    plate = box((1.8, 0.01, 1.8))
    points = np.array([[0.1, 0.002, 0.1], [0.1, 0.01, 0.1], [0.1, -0.012, 0.3]], np.float32)
    assert classify(plate, points).tolist() == [NARROW_BAND, OUTSIDE, OUTSIDE]


def test_everything_beyond_the_grid_is_outside() -> None:
    assert flood(box()).lookup(np.array([[5.0, 0, 0], [-9.0, 9.0, 9.0]], np.float32)).tolist() == [OUTSIDE, OUTSIDE]


def test_the_shore_lies_between_the_band_and_the_open() -> None:
    mesh = sphere(subdivisions=4)
    filled = flood(mesh)
    places, centres = filled.exterior_shell()
    assert (filled.labels[tuple(places.T)] == OUTSIDE).all()
    assert np.array_equal(filled.lookup(centres), np.full(len(centres), OUTSIDE))
    away = sphere_distance(centres) / filled.voxel
    assert away.min() > 0.5 and away.max() < 4 and len(np.unique(places, axis=0)) == len(places)
    directions = centres / np.linalg.norm(centres, axis=1, keepdims=True)
    rays = filled._look(directions * np.float32(0.81), directions[:, None], np.zeros(len(centres)), stride=0.5, steps=8)
    assert (rays == OUTSIDE).all()
