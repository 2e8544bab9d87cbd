import numpy as np
import pytest
from shapes import box, box_distance, inside_out, sphere, torus

from ltm3d.geometry.mesh import Mesh, concatenate
from ltm3d.geometry.sharp_edges import find_sharp_edges, sample_edges

EXTENTS = (1.2, 0.7, 0.4)


def soup(mesh: Mesh) -> Mesh:
    """Every face with vertices of its own."""
    return Mesh(mesh.triangles.reshape(-1, 3), np.arange(mesh.faces.size).reshape(-1, 3))


def mixed_winding(mesh: Mesh) -> Mesh:
    faces = mesh.faces.copy()
    faces[::2] = faces[::2, ::-1]
    return Mesh(mesh.vertices, faces)


def roof(angle: float) -> Mesh:
    """Two faces over the edge from (0, 0, 0) to (1, 0, 0), bent by an angle in degrees."""
    bend = np.radians(angle)
    points = [[0, 0, 0], [1, 0, 0], [0.5, 1, 0], [0.5, -np.cos(bend), np.sin(bend)]]
    return Mesh(np.array(points, np.float32), np.array([[0, 1, 2], [1, 0, 3]]))


@pytest.mark.parametrize("change", [lambda mesh: mesh, soup, inside_out, mixed_winding])
def test_a_box_has_twelve_sharp_edges_whatever_its_winding_and_seams(change) -> None:
    edges = find_sharp_edges(change(box(EXTENTS)))
    assert len(edges.faces) == 12
    assert edges.lengths.sum() == pytest.approx(4 * sum(EXTENTS), rel=1e-5)


def test_round_shapes_have_none() -> None:
    assert not len(find_sharp_edges(sphere()).faces)
    assert not len(find_sharp_edges(torus()).faces)


@pytest.mark.parametrize(("angle", "is_sharp"), [(0, False), (29, False), (31, True), (90, True), (150, True)])
def test_the_angle_is_that_between_the_planes(angle: float, is_sharp: bool) -> None:
    assert len(find_sharp_edges(roof(angle), min_angle=30).faces) == int(is_sharp)
    turned = Mesh(roof(angle).vertices, np.array([[0, 1, 2], [0, 1, 3]]))
    assert len(find_sharp_edges(turned, min_angle=30).faces) == int(is_sharp)


def test_a_sheet_with_two_sides_has_no_sharp_edge_inside() -> None:
    sheet = roof(0)
    assert not len(find_sharp_edges(concatenate([sheet, inside_out(sheet)])).faces)
    bent = roof(90)
    both = find_sharp_edges(concatenate([bent, inside_out(bent)]))
    assert len(both.faces) == 1 and both.lengths[0] == pytest.approx(1)


def test_points_lie_on_the_edges_evenly_by_length_with_a_normal_of_either_face() -> None:
    mesh = box(EXTENTS)
    samples = sample_edges(mesh, find_sharp_edges(mesh), 6000, np.random.default_rng(0))
    half = np.array(EXTENTS) / 2
    on_side = np.isclose(np.abs(samples.points), half, atol=1e-6)
    assert (on_side.sum(axis=1) >= 2).all()
    along_x = (~on_side[:, 0]).mean()
    assert along_x == pytest.approx(EXTENTS[0] / sum(EXTENTS), abs=0.02)
    axis = np.abs(samples.normals).argmax(axis=1)
    outward = np.sign(samples.points[np.arange(6000), axis]) * samples.normals[np.arange(6000), axis]
    np.testing.assert_allclose(outward, 1, atol=1e-6)
    assert on_side[np.arange(6000), axis].all()
    assert np.abs(box_distance(samples.points + 0.01 * samples.normals, EXTENTS) - 0.01).max() < 1e-5


def test_colours_run_along_the_edge() -> None:
    mesh = roof(90)
    colored = Mesh(mesh.vertices, mesh.faces, np.array([[0, 0, 0], [250, 0, 0], [9, 9, 9], [9, 9, 9]], np.uint8))
    samples = sample_edges(colored, find_sharp_edges(colored), 500, np.random.default_rng(0))
    np.testing.assert_allclose(samples.colors[:, 0], 250 * samples.points[:, 0], atol=1)


def test_no_edge_to_draw_from_is_said() -> None:
    with pytest.raises(ValueError, match="no sharp edge"):
        sample_edges(sphere(), find_sharp_edges(sphere()), 5, np.random.default_rng(0))
