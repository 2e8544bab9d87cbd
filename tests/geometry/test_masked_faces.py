"""Faces are cut along what a mask shows; what it does not touch stays as it is."""

from dataclasses import replace

import numpy as np
import pytest

from ltm3d.geometry import masked_faces
from ltm3d.geometry.masked_faces import cut_hidden
from ltm3d.geometry.parts import Material, Part, Texture

SIDE = 256


def card(alpha: np.ndarray, *, min_alpha: float | None = 0.5) -> Part:
    """A unit square of two faces under a picture whose red and green are x and y."""
    y, x = np.mgrid[:SIDE, :SIDE] / (SIDE - 1)
    pixels = (255 * np.stack([x, y, 0 * x, alpha], axis=-1)).round().astype(np.uint8)
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    material = Material(texture=Texture(pixels=pixels), min_alpha=min_alpha)
    return Part(vertices=vertices, faces=faces, material=material, uv=vertices[faces][..., :2])


def disc(radius: float = 0.35) -> np.ndarray:
    y, x = np.mgrid[:SIDE, :SIDE] / (SIDE - 1)
    return ((x - 0.5) ** 2 + (y - 0.5) ** 2 < radius**2).astype(float)


def area(part: Part) -> float:
    a, b, c = np.moveaxis(part.vertices[part.faces], 1, 0)
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def test_a_card_with_the_picture_of_a_disc_becomes_a_disc() -> None:
    cut = cut_hidden(card(disc()), smallest=1 / 128)
    assert area(cut) == pytest.approx(np.pi * 0.35**2, rel=0.03)
    radius = np.linalg.norm(cut.vertices[:, :2] - 0.5, axis=1)
    assert 0.345 < radius.max() < 0.35 + 1 / 90 and cut.faces.max() == len(cut.vertices) - 1
    assert cut.uv is not None
    np.testing.assert_allclose(cut.uv, cut.vertices[cut.faces][..., :2])
    normals = np.cross(*(cut.vertices[cut.faces[:, k]] - cut.vertices[cut.faces[:, 0]] for k in (1, 2)))
    assert (normals[:, 2] > 0).all()


def test_neighbours_share_the_vertices_of_their_cuts() -> None:
    cut = cut_hidden(card(disc()), smallest=1 / 32)
    assert len(np.unique(cut.vertices, axis=0)) == len(cut.vertices)


def test_what_no_mask_touches_stays_as_it_is() -> None:
    for part in (card(np.ones((SIDE, SIDE))), card(disc(), min_alpha=None)):
        assert cut_hidden(part, smallest=1 / 128) is part


def test_what_is_hidden_is_gone() -> None:
    assert len(cut_hidden(card(np.zeros((SIDE, SIDE))), smallest=1 / 128).faces) == 0


def test_a_face_that_is_small_already_stays_whole_if_any_of_it_is_seen() -> None:
    assert len(cut_hidden(card(disc()), smallest=2.0).faces) == 2


def test_vertices_bring_their_alpha_and_colours() -> None:
    light = np.ones((2, 3, 4), np.float32)
    part = card(np.ones((SIDE, SIDE)))
    light[..., 3] = part.vertices[part.faces][..., 0]  # alpha rises with x
    cut = cut_hidden(replace(part, uv=None, material=Material(min_alpha=0.5), light=light), smallest=1 / 64)
    assert area(cut) == pytest.approx(0.5, abs=0.02) and cut.vertices[:, 0].min() == pytest.approx(0.5, abs=0.02)
    assert cut.light is not None
    np.testing.assert_allclose(cut.light[..., 3], cut.vertices[cut.faces][..., 0], atol=1e-6)


def test_too_many_pieces_leave_faces_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masked_faces, "MAX_PIECES", 100)
    cut = cut_hidden(card(disc()), smallest=1 / 128)
    assert len(cut.faces) <= 100 and area(cut) > np.pi * 0.35**2


def test_a_fine_mask_keeps_its_surface() -> None:
    dots = np.random.default_rng(0).random((SIDE, SIDE)) < 0.4
    assert area(cut_hidden(card(dots.astype(float)), smallest=1 / 64)) > 0.5
