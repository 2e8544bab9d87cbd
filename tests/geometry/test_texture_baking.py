from dataclasses import replace

import numpy as np
import pytest

from ltm3d.geometry.base_color import colors_within, corner_colors
from ltm3d.geometry.face_colors import texel_places
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.parts import Material, Part, Texture
from ltm3d.geometry.surface_points import surface_colors
from ltm3d.geometry.texture_baking import bake_textures

UV = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
FACES = np.array([[0, 1, 2], [0, 2, 3]])


def picture(rgb: np.ndarray) -> Texture:
    return Texture(pixels=np.concatenate([rgb, np.full((*rgb.shape[:2], 1), 255)], axis=2).astype(np.uint8))


def checker(side: int, cells: int = 8) -> Texture:
    cell = np.arange(side) * cells // side
    return picture(np.where((cell[:, None] + cell) % 2, 255, 0)[..., None].repeat(3, 2))


def square(texture: Texture | None, *, scale: float = 1.0, uv: np.ndarray = UV, **material) -> Part:
    vertices = np.concatenate([UV * scale, np.zeros((4, 1))], axis=1)
    return Part(vertices=vertices, faces=FACES, uv=uv[FACES], material=Material(texture=texture, **material))


def at_vertices(part: Part) -> Mesh:
    """The part with a vertex for each corner."""
    corners = corner_colors(part)
    colors = None if corners is None else corners.reshape(-1, 3)
    return Mesh(part.vertices[part.faces].reshape(-1, 3), np.arange(3 * len(part.faces)).reshape(-1, 3), colors)


def baked(part: Part, **options) -> Mesh:
    mesh = at_vertices(part)
    return replace(mesh, face_colors=bake_textures([part], [mesh], **options)[0])


def mean_error(part: Part, mesh: Mesh) -> float:
    rng = np.random.default_rng(0)
    faces, weights = rng.integers(0, len(part.faces), 4000), rng.dirichlet([1, 1, 1], 4000).astype(np.float32)
    return float(np.abs(surface_colors(mesh, faces, weights) - colors_within(part, faces, weights).astype(int)).mean())


@pytest.mark.parametrize("repeats", [1, 3], ids=["once", "repeated"])
def test_a_pattern_within_two_faces_survives(repeats: int) -> None:
    part = square(checker(64), uv=UV * repeats)
    mesh = baked(part)
    assert mean_error(part, at_vertices(part)) > 60
    assert mean_error(part, mesh) < 20 * repeats  # half a texel on either side of the edges between cells


def test_smooth_pictures_need_no_texels_where_vertices_show_them() -> None:
    ramp = np.linspace(0, 255, 128)
    flat = picture(np.full((128, 128, 3), 77))
    part = square(picture(np.stack([np.tile(ramp, (128, 1))] * 3, axis=2)))
    assert mean_error(part, baked(part)) < 3
    assert bake_textures([square(flat)], [at_vertices(square(flat))]) == [None]


def test_a_small_mark_on_a_large_face_is_not_missed() -> None:
    rgb = np.full((64, 64, 3), 230)
    rgb[40:46, 20:26] = (200, 0, 0)
    part = square(picture(rgb))
    mesh = baked(part)
    assert mesh.face_colors is not None and (mesh.face_colors.levels > 0).tolist() == [False, True]
    assert (np.abs(mesh.face_colors.texels.astype(int) - (200, 0, 0)).max(axis=1) < 10).sum() > 15


def test_factor_light_and_glow_count() -> None:
    dim = square(checker(16), factor=np.array([1, 0, 0, 1]))
    colors = bake_textures([dim], [at_vertices(dim)])[0]
    assert colors is not None and not colors.texels[:, 1:].any() and colors.texels[:, 0].max() == 255
    glow = Material(factor=np.zeros(4), glow=np.array([0, 1, 0]), glow_texture=checker(16))
    part = replace(square(None), material=glow, glow_uv=UV[FACES])
    colors = bake_textures([part], [at_vertices(part)])[0]
    assert colors is not None and not colors.texels[:, [0, 2]].any() and colors.texels[:, 1].max() == 255


def test_the_budget_is_kept_by_all_parts_together() -> None:
    noise = picture(np.random.default_rng(0).integers(0, 256, (512, 512, 3)))
    parts = [square(noise), square(noise, scale=0.5), square(None)]
    meshes = [at_vertices(part) for part in parts]
    for budget in (60_000, 500):
        first, second, third = bake_textures(parts, meshes, max_texels=budget)
        assert first is not None and second is not None and third is None
        assert 0.5 * budget < len(first.texels) + len(second.texels) <= budget
        assert first.levels[0] / second.levels[0] == pytest.approx(2, abs=0.2)  # as fine on the surface
    assert bake_textures(parts, meshes, max_texels=2) == [None] * 3


def test_a_picture_is_averaged_where_texels_are_wider_than_its_own() -> None:
    part = square(checker(512, cells=256))
    colors = bake_textures([part], [at_vertices(part)], max_texels=200)[0]
    assert colors is not None
    assert abs(colors.texels.astype(float).mean() - 188) < 60  # half of the light


def test_what_lies_beyond_a_face_is_not_read() -> None:
    rgb = np.zeros((64, 64, 3))
    rgb[:, :, 0] = 255  # red around the blue-green island u > v of the face
    island = np.tri(64, dtype=bool)[::-1][:, ::-1]
    rgb[island] = np.random.default_rng(0).integers(100, 256, (int(island.sum()), 3)) * (0, 1, 1)
    corners = np.array([[0, 0], [1, 0], [1, 1]], float)
    part = Part(
        vertices=np.eye(3),
        faces=np.array([[0, 1, 2]]),
        uv=(corners * 0.97 + (0.02, 0.005))[None],
        material=Material(texture=picture(rgb)),
    )
    colors = bake_textures([part], [at_vertices(part)])[0]
    assert colors is not None
    _, weights = texel_places(colors.levels)
    assert (colors.texels[:, 0] > 128).mean() < 0.01, weights[colors.texels[:, 0] > 128]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_coordinates_that_are_none_harm_nobody(bad: float) -> None:
    uv = UV.copy()
    uv[0] = bad
    with np.errstate(invalid="ignore", over="ignore"):
        mesh = baked(square(checker(32), uv=uv))
    assert mesh.face_colors is None or len(mesh.face_colors.levels) == 2
