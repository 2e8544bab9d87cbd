import numpy as np
import pytest
from shapes import box

from ltm3d.geometry.face_colors import FaceColors, join_face_colors, num_texels, texel_places
from ltm3d.geometry.mesh import Mesh, concatenate
from ltm3d.geometry.surface_points import surface_colors

LEVELS = np.array([3, 0, 1, 40, 255], np.uint8)


def linear_colors(levels: np.ndarray) -> FaceColors:
    """Colours that change linearly over each face: corners 1 and 2 add 100 of red and 200 of green."""
    _, weights = texel_places(levels)
    return FaceColors(levels, np.rint(np.stack([weights[:, 1] * 100, weights[:, 2] * 200, weights[:, 0]], axis=1)))


def looked_up(colors: FaceColors, faces: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    which, texels, shares = colors.look_up(faces, weights)
    assert shares.min() >= 0 and shares.sum(axis=1) == pytest.approx(1, abs=1e-5)
    return which, np.einsum("kc,kcx->kx", shares, texels.astype(np.float64))


def random_weights(count: int) -> np.ndarray:
    return np.random.default_rng(0).dirichlet([1, 1, 1], count).astype(np.float32)


def test_what_is_linear_comes_back_at_any_level() -> None:
    faces, weights = np.random.default_rng(1).integers(0, 5, 2000), random_weights(2000)
    which, colors = looked_up(linear_colors(LEVELS), faces, weights)
    assert np.array_equal(which, np.flatnonzero(faces != 1))  # that face has no texels
    assert np.abs(colors[:, 0] - 100 * weights[which, 1]).max() <= 0.6  # rounded to whole numbers
    assert np.abs(colors[:, 1] - 200 * weights[which, 2]).max() <= 0.6


def test_each_texel_is_found_at_its_place() -> None:
    count = int(num_texels(LEVELS).sum())
    texels = np.random.default_rng(2).integers(0, 256, (count, 3)).astype(np.uint8)
    faces, weights = texel_places(LEVELS)
    which, colors = looked_up(FaceColors(LEVELS, texels), faces, weights)
    assert np.array_equal(which, np.arange(count))
    assert np.abs(colors - texels).max() < 0.05  # float32 weights


def test_corners_and_edges_stay_within_their_face() -> None:
    texels = np.full((int(num_texels(LEVELS).sum()), 3), 9, np.uint8)
    start = FaceColors(LEVELS, texels).starts[3]
    texels[start : start + num_texels(LEVELS[3:4])[0]] = 200
    edges = np.concatenate([np.eye(3), np.eye(3)[[1, 2, 0]] * 0.5 + np.eye(3) * 0.5, [[-1e-7, 1, 1e-7]]])
    _, colors = looked_up(FaceColors(LEVELS, texels), np.full(len(edges), 3), edges)
    assert (np.rint(colors) == 200).all()


def test_faces_keep_their_texels_when_some_go_and_meshes_are_joined() -> None:
    colors = linear_colors(LEVELS)
    kept = colors.select(np.array([4, 1, 0]))
    assert kept.levels.tolist() == [255, 0, 3]
    assert np.array_equal(kept.texels, np.concatenate([colors.texels[colors.starts[4] :], colors.texels[:10]]))
    assert len(colors.select(np.zeros(5, bool)).texels) == 0
    joined = join_face_colors([None, colors], [2, 5])
    assert joined is not None and joined.levels.tolist() == [0, 0, *LEVELS.tolist()]
    assert join_face_colors([None, None], [2, 5]) is None


def test_faces_without_texels_show_their_vertices() -> None:
    cube = box()
    red = np.full((len(cube.vertices), 3), (200, 0, 0), np.uint8)
    levels = np.zeros(len(cube.faces), np.uint8)
    levels[5] = 2
    mesh = Mesh(cube.vertices, cube.faces, red, FaceColors(levels, np.full((6, 3), (0, 0, 99))))
    both = concatenate([cube, mesh])
    faces = np.arange(len(both.faces))
    colors = surface_colors(both, faces, random_weights(len(faces)))
    assert (colors[: len(cube.faces)] == 128).all()  # grey beside a coloured part
    own = colors[len(cube.faces) :]
    assert (own[5] == (0, 0, 99)).all() and (np.delete(own, 5, axis=0) == (200, 0, 0)).all()


def test_numbers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        FaceColors(np.array([2], np.uint8), np.zeros((5, 3), np.uint8))
    cube = box()
    with pytest.raises(ValueError, match="face_colors are of 1 faces"):
        Mesh(cube.vertices, cube.faces, None, FaceColors(np.array([2], np.uint8), np.zeros((6, 3), np.uint8)))
