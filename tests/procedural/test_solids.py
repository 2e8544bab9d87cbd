import numpy as np
import pytest

from ltm3d.geometry.mesh import Mesh, is_watertight
from ltm3d.procedural.solids import Part, both_sides, box, cushion, loft, loop_loft, post, section, signed_volume, slab


def closed(part: Part) -> bool:
    return is_watertight(Mesh(part.vertices, part.faces))


@pytest.mark.parametrize(
    "part",
    [
        box((1.0, 2.0, 3.0)),
        box((1.0, 0.2, 3.0), radius=0.1, bevels=3, cells=4),
        cushion((0.5, 0.2, 0.4)),
        post((0, 0, 0), (0.2, 1, 0.1), 0.1, 0.2),
        post((0, 0, 0), (0.2, 1, 0.1), 0.1, kind="square"),
        slab(section("square", 24), 0.2),
    ],
)
def test_part_is_closed_and_outward_also_when_mirrored_turned_and_scaled(part: Part) -> None:
    for variant in (part, part.mirrored(), part.turned("x", 70), part.scaled(1, 2, 3), part.moved(5, 5, 5)):
        assert closed(variant)
        assert signed_volume(variant.vertices, variant.faces) > 0


def test_volumes_are_those_of_the_solids() -> None:
    sharp = box((1.0, 2.0, 3.0), radius=1e-4)
    assert signed_volume(sharp.vertices, sharp.faces) == pytest.approx(6.0, rel=1e-3)
    ball = box((2.0, 2.0, 2.0), radius=1.0, bevels=12)
    assert signed_volume(ball.vertices, ball.faces) == pytest.approx(4 / 3 * np.pi, rel=0.05)
    cone = post((0, 0, 0), (0, 3, 0), 2.0, 1.0)
    frustum = np.pi * 3 / 3 * (1 + 0.5 + 0.25)
    assert signed_volume(cone.vertices, cone.faces) == pytest.approx(frustum, rel=0.05)


def test_box_keeps_its_size_whatever_its_rounding() -> None:
    for radius in (0.01, 0.2, 9.0):
        part = box((1.0, 0.5, 2.0), at=(1, 2, 3), radius=radius, bevels=2)
        np.testing.assert_allclose(np.ptp(part.vertices, axis=0), [1.0, 0.5, 2.0], atol=1e-9)
        np.testing.assert_allclose((part.vertices.min(axis=0) + part.vertices.max(axis=0)) / 2, [1, 2, 3], atol=1e-9)


def test_cushion_swells_in_its_middle_only() -> None:
    part = cushion((1.0, 0.2, 1.0))
    middle = np.linalg.norm(part.vertices[:, [0, 2]], axis=1) < 0.05
    assert part.vertices[middle, 1].max() > 0.11
    rim = np.abs(part.vertices[:, 0]) > 0.45
    assert part.vertices[rim, 1].max() < 0.1


def test_turns_are_right_handed() -> None:
    point = Part(np.array([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]]), np.array([[0, 1, 2]]))
    np.testing.assert_allclose(point.turned("z", 90).vertices[0], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(point.turned("x", 90).vertices[1], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(point.turned("y", 90).vertices[2], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(point.turned("y", 33, about=(0, 5, 1)).vertices[2], [0, 0, 1], atol=1e-12)


def test_both_sides_are_reflections() -> None:
    left, right = both_sides(box((0.1, 0.1, 0.1), at=(1, 0, 0)).painted((1, 2, 3)))
    np.testing.assert_allclose(left.vertices * [-1, 1, 1], right.vertices)
    assert right.color == (1, 2, 3)


def test_loft_turns_rings_of_either_sense_outwards() -> None:
    flat = section("round")
    rings = np.stack([np.stack([flat[:, 0], np.full(16, y), flat[:, 1]], axis=1) for y in (0.0, 1.0)])
    for order in (rings, rings[::-1], rings[:, ::-1]):
        part = loft(np.ascontiguousarray(order))
        assert closed(part)
        assert signed_volume(part.vertices, part.faces) > 2.5


def test_loop_loft_has_a_hole() -> None:
    angle = 2 * np.pi * np.arange(12) / 12
    flat = section("round") * 0.2
    radius = 1.0 + flat[None, :, 0]
    height = np.broadcast_to(flat[None, :, 1], (12, 16))
    rings = np.stack([radius * np.cos(angle)[:, None], height, radius * np.sin(angle)[:, None]], axis=-1)
    part = loop_loft(rings)
    assert closed(part)
    num_edges = len(part.faces) * 3 // 2
    assert len(part.vertices) - num_edges + len(part.faces) == 0  # Euler's number of a torus
    assert np.linalg.norm(part.vertices[:, [0, 2]], axis=1).min() > 0.7
