import numpy as np
import pytest
from shapes import box, box_distance, inside_out, sphere, sphere_distance, torus, torus_distance, uniform_points

from ltm3d.geometry.cleaning import clean_mesh
from ltm3d.geometry.mesh import Mesh, concatenate, has_no_boundary
from ltm3d.geometry.normalize import normalize
from ltm3d.geometry.signed_distance import SignedDistance
from ltm3d.geometry.surface_points import sample_surface
from ltm3d.geometry.triangle_tree import TriangleTree
from ltm3d.mesh_io.loading import load_mesh

POINTS = uniform_points(5000)


def points_around(mesh: Mesh, std: float = 0.01, count: int = 5000) -> np.ndarray:
    rng = np.random.default_rng(1)
    return (sample_surface(mesh, count, rng).points + rng.normal(0, std, (count, 3))).astype(np.float32)


@pytest.mark.parametrize("turned", [False, True], ids=["outward", "inward"])
@pytest.mark.parametrize(
    ("mesh", "closed_form", "tolerance"),
    [
        (sphere(subdivisions=5), sphere_distance, 5e-4),
        (torus(), torus_distance, 1e-3),
        (box((1.8, 1.0, 0.6)), lambda points: box_distance(points, (1.8, 1.0, 0.6)), 1e-6),
        (box((1.8, 0.01, 1.0)), lambda points: box_distance(points, (1.8, 0.01, 1.0)), 1e-6),
        (box((1.8, 0.01, 0.01)), lambda points: box_distance(points, (1.8, 0.01, 0.01)), 2e-5),
    ],
    ids=["sphere", "torus", "box", "plate", "bar"],
)
def test_closed_forms_whatever_the_winding(mesh: Mesh, closed_form, tolerance: float, turned: bool) -> None:
    distance = SignedDistance(inside_out(mesh) if turned else mesh)
    for points in (POINTS, points_around(mesh)):
        assert np.abs(distance(points) - closed_form(points)).max() < tolerance
    assert distance.sign_disagreement == 0


def test_faces_turned_at_random_are_still_solid() -> None:
    mesh = sphere(subdivisions=5)
    faces = mesh.faces.copy()
    turned = np.random.default_rng(0).random(len(faces)) < 0.5
    faces[turned] = faces[turned, ::-1]
    distance = SignedDistance(Mesh(mesh.vertices, faces))
    assert np.abs(distance(POINTS) - sphere_distance(POINTS)).max() < 5e-4
    assert distance.sign_disagreement > 0.9  # the winding number alone is lost, and that is on record


def test_a_box_without_lid_is_filled_by_winding_and_keeps_true_distances() -> None:
    solid = box()
    lid = solid.triangles[..., 1].mean(axis=1) > 0.49
    opened = SignedDistance(Mesh(solid.vertices, solid.faces[~lid]))
    probes = np.array([[0, 0, 0], [0, -0.45, 0], [0, -0.55, 0], [0, 0.9, 0], [0.7, 0, 0]], np.float32)
    truth = [-0.5, -0.05, 0.05, np.hypot(0.4, 0.5), 0.2]  # to the five walls: d · (1 - 2|w|) would be smaller
    assert opened(probes) == pytest.approx(truth, abs=1e-5)
    assert opened.unsigned(probes) == pytest.approx(np.abs(truth), abs=1e-5)
    assert opened.sign_disagreement > 0.9


@pytest.mark.parametrize("variant", ["without lid", "faces turned"])
def test_no_sign_is_wrong_near_edges_of_what_winds_by_halves(variant: str) -> None:
    extents = (1.9, 1.2, 1.55)
    solid = box(extents)
    if variant == "without lid":
        faces = solid.faces[~(solid.triangles[..., 1].min(axis=1) > 0.59)]
    else:
        faces = solid.faces.copy()
        faces[::3] = faces[::3, ::-1]
    mesh = Mesh(solid.vertices, faces)
    points = np.concatenate([points_around(mesh, std, 20_000) for std in (0.005, 0.05)] + [uniform_points(20_000)])
    clear = np.abs(box_distance(points, extents)) > 1e-5
    signed, truth = SignedDistance(mesh)(points), box_distance(points, extents)
    assert np.array_equal(signed[clear] < 0, truth[clear] < 0)


def test_overlapping_parts_are_one_solid() -> None:
    pair = concatenate([box(center=(-0.3, 0, 0)), inside_out(box((1.0, 0.5, 0.5), center=(0.3, 0, 0)))])
    truth = np.minimum(
        box_distance(POINTS, center=(-0.3, 0, 0)), box_distance(POINTS, (1.0, 0.5, 0.5), center=(0.3, 0, 0))
    )
    signed = SignedDistance(pair)(POINTS)
    assert np.array_equal(signed < 0, truth < 0)  # where they overlap, the windings add up to 0
    assert np.abs(signed - truth)[truth > 0].max() < 1e-6


@pytest.mark.parametrize("turned", [False, True], ids=["same winding", "cavity"])
@pytest.mark.parametrize("opened", [False, True], ids=["closed", "open"])
def test_a_cavity_is_outside_where_the_surface_is_closed(turned: bool, opened: bool) -> None:
    """The winding number is exact there; of a surface with holes the flood fill encloses all."""
    inner = box((0.5, 0.5, 0.5))
    shells = concatenate([box(), inside_out(inner) if turned else inner])
    far = Mesh(np.array([[0.8, 0.8, 0.8], [0.9, 0.8, 0.8], [0.8, 0.9, 0.8]]), np.array([[0, 1, 2]]))
    distance = SignedDistance(concatenate([shells, far]) if opened else shells)
    is_cavity = (box_distance(POINTS, (0.5, 0.5, 0.5)) < 0) & turned & (not opened)
    assert np.array_equal(distance(POINTS) < 0, (box_distance(POINTS) < 0) & ~is_cavity)
    assert (distance.sign_disagreement > 0.05) == turned and distance.sign_by_winding == (not opened)
    assert distance.inside_by_one_alone[1] < 0.01


def test_a_bowl_that_is_filled_by_winding_says_so() -> None:
    bowl = sphere(subdivisions=4)
    opened = Mesh(bowl.vertices, bowl.faces[bowl.triangles[..., 1].max(axis=1) < 0.5])
    distance = SignedDistance(opened)
    assert not distance.sign_by_winding and distance.inside_by_one_alone[1] > 0.9


@pytest.mark.parametrize("kind", ["drawers", "spheres in a box", "a wall in a sphere"])
def test_closed_surfaces_have_the_sign_of_libigl(kind: str) -> None:
    import igl

    if kind == "drawers":
        drawers = [box((0.8, 0.25, 0.7), center=(0, y, 0.05)) for y in (-0.3, 0, 0.3)]
        cavities = [inside_out(box((0.9, 0.28, 0.8), center=(0, y, 0))) for y in (-0.3, 0, 0.3)]
        mesh = concatenate([box((1, 1, 1)), *cavities, *drawers])
    elif kind == "spheres in a box":
        balls = [Mesh(sphere(0.2, subdivisions=3).vertices + c, sphere(0.2, subdivisions=3).faces) for c in (-0.3, 0.3)]
        mesh = concatenate([box((1.8, 1.8, 1.8)), inside_out(box((1.7, 1.7, 1.7))), *balls])
    else:
        mesh = concatenate([sphere(), inside_out(sphere(0.797))])  # thinner than any voxel
    points = np.concatenate([POINTS, *(points_around(mesh, std) for std in (0.002, 0.02, 0.1))])
    wound = igl.winding_number(mesh.vertices.astype(np.float64), mesh.faces, points.astype(np.float64))
    distance = SignedDistance(mesh)
    signed = distance(points)
    assert distance.sign_by_winding
    assert not ((signed < 0) != (wound > 0.5))[np.abs(signed) > 1e-4].any()


def test_parts_without_touch_stay_apart() -> None:
    pair = concatenate([box((0.5, 0.5, 0.5), center=(-0.6, 0, 0)), box((0.5, 0.5, 0.5), center=(0.6, 0, 0))])
    truth = np.minimum(*(box_distance(POINTS, (0.5, 0.5, 0.5), (x, 0, 0)) for x in (-0.6, 0.6)))
    assert np.abs(SignedDistance(pair)(POINTS) - truth).max() < 1e-6


def test_many_points_are_answered_as_few_and_none_as_none() -> None:
    distance, points = SignedDistance(torus()), uniform_points(70_000)
    whole = distance(points)
    assert np.array_equal(whole[-5000:], distance(points[-5000:]))
    assert distance(points[:0]).shape == (0,) and distance.unsigned(points[:0]).shape == (0,)


def test_real_closed_meshes_agree_with_their_winding_number(shared_data) -> None:
    checked = 0
    for path in sorted(shared_data.glob("shapenet/*/*/models/*.obj"))[::30]:
        mesh, _ = normalize(clean_mesh(load_mesh(path, root=path.parents[1])))
        if not has_no_boundary(mesh) or len(mesh.faces) > 5000:
            continue
        distance = SignedDistance(mesh)
        points = np.concatenate([POINTS[:500], points_around(mesh, count=500)])
        signed = distance(points)
        wound = np.abs(TriangleTree(mesh).winding_numbers(points)) > 0.5
        far = np.abs(signed) > 1e-5
        assert (signed[wound & far] < 0).all(), path
        if distance.sign_disagreement == 0:  # no cavities
            assert ((signed < 0) & ~wound & far).mean() < 0.02, path
        checked += 1
    assert checked >= 3
