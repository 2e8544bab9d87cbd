import igl
import numpy as np
import pytest
from shapes import box, box_distance, inside_out, sphere, torus, uniform_points

from ltm3d.geometry.cleaning import clean_mesh
from ltm3d.geometry.mesh import Mesh, concatenate
from ltm3d.geometry.normalize import normalize
from ltm3d.geometry.surface_points import sample_surface
from ltm3d.geometry.triangle_tree import TriangleTree
from ltm3d.mesh_io.loading import load_mesh

BAR = (1.8, 0.01, 0.01)


def soup(count: int) -> Mesh:
    """Return triangles of all sizes without any order, some of them points and lines."""
    rng = np.random.default_rng(0)
    corners = rng.uniform(-1, 1, (count, 1, 3)) + rng.exponential(0.2, (count, 1, 1)) * rng.normal(size=(count, 3, 3))
    corners[: count // 10, 1] = corners[: count // 10, 0]
    corners[: count // 20, 2] = corners[: count // 20, 0]
    return Mesh(corners.reshape(-1, 3), np.arange(3 * count).reshape(-1, 3))


def igl_distance(mesh: Mesh, points: np.ndarray) -> np.ndarray:
    squared, *_ = igl.point_mesh_squared_distance(
        points.astype(np.float64), mesh.vertices.astype(np.float64), mesh.faces
    )
    return np.sqrt(squared)


@pytest.mark.parametrize("count", [1, 2, 4, 5, 63, 1000])
def test_closest_points_are_those_of_an_independent_library(count: int) -> None:
    mesh, points = soup(count), uniform_points(2000)
    closest, face = TriangleTree(mesh).closest_points(points)
    distance = np.linalg.norm(points - closest, axis=1)
    assert distance == pytest.approx(igl_distance(mesh, points), abs=1e-6)
    for query in range(0, len(points), 20):  # the face named is the one that has the point
        own = Mesh(mesh.vertices, mesh.faces[face[query]][None])
        assert igl_distance(own, closest[query][None]) == pytest.approx([0], abs=1e-6)


def test_answers_do_not_depend_on_the_questions_before() -> None:
    tree, points = TriangleTree(concatenate([torus(), box()])), uniform_points(3000)
    closest, face = tree.closest_points(points)
    turned = np.random.default_rng(1).permutation(3000)[:700]
    again, same_face = tree.closest_points(points[turned])
    assert np.array_equal(again, closest[turned]) and np.array_equal(same_face, face[turned])
    assert tree.closest_points(points[:0])[0].shape == (0, 3) and tree.winding_numbers(points[:0]).shape == (0,)


def test_long_thin_triangles_have_true_distances() -> None:
    bar, rng = box(BAR), np.random.default_rng(0)
    points = sample_surface(bar, 20_000, rng).points + rng.normal(0, 0.004, (20_000, 3)).astype(np.float32)
    distance = np.linalg.norm(points - TriangleTree(bar).closest_points(points)[0], axis=1)
    assert np.abs(distance - np.abs(box_distance(points, BAR))).max() < 3e-7  # float32 of the points themselves


@pytest.mark.parametrize("solid", [box(), sphere(subdivisions=3), torus()], ids=["box", "sphere", "torus"])
def test_closed_surfaces_wind_once_around_their_inside(solid: Mesh) -> None:
    points = uniform_points(3000)
    points = points[igl_distance(solid, points) > 1e-4]
    exact = igl.winding_number(solid.vertices.astype(np.float64), solid.faces, points.astype(np.float64))
    assert np.abs(TriangleTree(solid).winding_numbers(points) - exact).max() < 0.1
    assert np.abs(TriangleTree(inside_out(solid)).winding_numbers(points) + exact).max() < 0.1
    assert set(np.rint(exact)) == {0, 1}


def test_many_shells_wind_many_times() -> None:
    shells = concatenate([box((size, size, size)) for size in np.linspace(0.4, 1.8, 9)])
    origin = np.zeros((1, 3), np.float32)
    assert TriangleTree(shells).winding_numbers(origin) == pytest.approx([9], abs=0.05)
    assert TriangleTree(inside_out(shells)).winding_numbers(origin) == pytest.approx([-9], abs=0.05)


def test_open_surfaces_wind_by_the_angle_they_fill() -> None:
    solid = box()
    lid = solid.triangles[..., 1].mean(axis=1) > 0.49
    opened = TriangleTree(Mesh(solid.vertices, solid.faces[~lid]))
    assert opened.winding_numbers(np.zeros((1, 3))) == pytest.approx([5 / 6], abs=1e-6)  # few faces: no dipole
    mesh, points = soup(2000), uniform_points(1000)
    exact = igl.winding_number(mesh.vertices.astype(np.float64), mesh.faces, points.astype(np.float64))
    assert np.abs(TriangleTree(mesh).winding_numbers(points) - exact).max() < 0.1


def test_real_meshes_have_the_same_answers_as_in_an_independent_library(shared_data) -> None:
    points = uniform_points(1000)
    for path in sorted(shared_data.glob("objaverse/**/*.glb"))[::150]:
        mesh, _ = normalize(clean_mesh(load_mesh(path, root=path.parents[1])))
        tree = TriangleTree(mesh)
        distance = np.linalg.norm(points - tree.closest_points(points)[0], axis=1)
        assert np.abs(distance - igl_distance(mesh, points)).max() < 1e-6, path
        exact = igl.winding_number(mesh.vertices.astype(np.float64), mesh.faces, points[:200].astype(np.float64))
        assert np.abs(tree.winding_numbers(points[:200]) - exact).max() < 0.1, path
