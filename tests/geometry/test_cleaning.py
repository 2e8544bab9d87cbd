import numpy as np
import pytest
from shapes import box, inside_out, sphere

from ltm3d.errors import AssetError
from ltm3d.geometry.cleaning import clean_mesh, geometry_signature
from ltm3d.geometry.mesh import Mesh, concatenate, has_no_boundary, is_watertight, position_ids
from ltm3d.geometry.normalize import normalize, rotate_to_frame
from ltm3d.mesh_io.loading import load_mesh


def signature_of(mesh: Mesh) -> str:
    return geometry_signature(normalize(clean_mesh(mesh))[0])


def soup(mesh: Mesh, jitter: float = 0.0) -> Mesh:
    """Give every face its own vertices."""
    corners = mesh.triangles.reshape(-1, 3)
    noise = np.random.default_rng(0).uniform(-jitter, jitter, corners.shape)
    return Mesh(corners + noise, np.arange(len(corners)).reshape(-1, 3))


def test_a_soup_is_welded_even_with_rounding_errors() -> None:
    mesh = clean_mesh(soup(box((1, 2, 3))))
    assert len(mesh.vertices) == 8 and is_watertight(mesh)
    rounded = clean_mesh(soup(sphere(subdivisions=2), jitter=1e-7))
    assert len(rounded.vertices) == 162 and is_watertight(rounded)


def test_vertices_of_two_colours_stay_two_at_the_very_same_place() -> None:
    solid = box()
    red, blue = (
        Mesh(solid.vertices, faces, np.tile(np.uint8(color), (8, 1)))
        for faces, color in (
            (solid.faces[:6], (255, 0, 0)),
            (solid.faces[6:], (0, 0, 255)),
        )
    )
    mesh = clean_mesh(concatenate([red, blue]))
    assert len(mesh.vertices) > 8 and len(np.unique(position_ids(mesh))) == 8
    assert is_watertight(mesh)
    assert (mesh.vertex_colors[mesh.faces[:6]] == (255, 0, 0)).all()
    assert (mesh.vertex_colors[mesh.faces[6:]] == (0, 0, 255)).all()


def test_degenerate_and_repeated_faces_and_unused_vertices_go() -> None:
    solid = box()
    vertices = np.concatenate([solid.vertices, [[9, 9, 9], [0.5, 0.5, 0.5]]])
    doubled = np.concatenate([solid.faces, solid.faces[:3], np.roll(solid.faces[3:5], 1, 1), [[0, 0, 1], [2, 9, 2]]])
    mesh = clean_mesh(Mesh(vertices, doubled))
    assert len(mesh.faces) == 12 and len(mesh.vertices) == 8
    assert mesh.vertices.max() == 0.5


def test_closed_parts_that_touch_face_to_face_stay_closed() -> None:
    pair = concatenate([box(center=(-0.5, 0, 0)), box(center=(0.5, 0, 0))])
    mesh = clean_mesh(pair)
    assert len(mesh.faces) == 24 and has_no_boundary(mesh)


def test_cleaning_twice_changes_nothing() -> None:
    once = clean_mesh(soup(sphere(subdivisions=3), jitter=1e-7))
    twice = clean_mesh(once)
    assert np.array_equal(once.vertices, twice.vertices) and np.array_equal(once.faces, twice.faces)


@pytest.mark.parametrize(
    ("mesh", "reason"),
    [
        (Mesh(np.zeros((0, 3)), np.zeros((0, 3))), "no_surface"),
        (Mesh(np.ones((3, 3)), np.array([[0, 1, 2]])), "no_surface"),
        (Mesh(np.array([[0, 0, 0], [1, 1, 1], [2, 2, 2]]), np.array([[0, 1, 2]])), "no_surface"),
        (Mesh(np.array([[0, 0, 0], [1, np.nan, 1], [2, 0, 2]]), np.array([[0, 1, 2]])), "non_finite"),
    ],
)
def test_meshes_without_surface_have_a_reason(mesh: Mesh, reason: str) -> None:
    with pytest.raises(AssetError, match=reason):
        clean_mesh(mesh)


def test_bad_vertices_that_no_face_uses_do_no_harm() -> None:
    mesh = clean_mesh(Mesh(np.concatenate([box().vertices, [[np.nan, 0, 0]]]), box().faces))
    assert len(mesh.vertices) == 8


def test_signature_sees_the_surface_and_nothing_else() -> None:
    mesh = concatenate([sphere(subdivisions=2), box((1.9, 0.3, 0.3), color=(1, 2, 3))])
    rng = np.random.default_rng(0)
    order = rng.permutation(len(mesh.vertices))
    rank = np.argsort(order)
    faces = np.roll(rank[mesh.faces][rng.permutation(len(mesh.faces))], 1, axis=1)
    shuffled = Mesh(mesh.vertices[order] * 37 + 5, faces)
    signature = signature_of(mesh)
    assert signature_of(shuffled) == signature
    assert signature_of(soup(mesh)) == signature
    assert signature_of(inside_out(mesh)) == signature
    stretched = Mesh(mesh.vertices * np.array([1, 1.05, 1]), mesh.faces)
    turned = Mesh(rotate_to_frame(mesh.vertices, up="+x", front="+z"), mesh.faces)
    fewer = Mesh(mesh.vertices, mesh.faces[1:])
    assert len({signature, *map(signature_of, (stretched, turned, fewer))}) == 4


def test_real_assets_have_different_signatures(shared_data) -> None:
    paths = sorted(shared_data.glob("shapenet/*/*/models/*.obj"))[::60]
    signatures = [signature_of(load_mesh(path, root=path.parents[1])) for path in paths]
    assert len(set(signatures)) == len(paths)
