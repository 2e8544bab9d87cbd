import numpy as np
import pytest

from ltm3d.geometry.mesh import Mesh, is_watertight
from ltm3d.procedural.solids import Part, signed_volume
from ltm3d.procedural.sweeps import ball, blade, disc, fuselage, lathe, lathe_shell, ring, rounded_path, tube


def volume(part: Part) -> float:
    return signed_volume(part.vertices, part.faces)


@pytest.mark.parametrize(
    "part",
    [
        tube([(0, 0, 0), (0, 1, 0), (0, 1, 1)], 0.1),
        tube([(0, 0, 0), (1, 0.5, 0.2), (1, 1, 1)], 0.1, kind="square"),
        tube([(0, 0, 0), (0, 0, 1)], np.array([0.1, 0.3])),
        ring(0.5, 0.1),
        ring(0.5, 0.1, axis="x", steps=12),
        lathe([(0, 0), (0.5, 0), (0.3, 1), (0, 1.2)]),
        lathe([(0.5, 1), (0.5, 0)]),
        lathe_shell([(1.0, 0.0), (0.8, 0.5), (0.5, 1.0)], 0.05),
        ball(0.3, squash=0.5),
        disc(0.3, 0.05, at=(1, 1, 1)),
        blade([((0, 0, 0), 0.3, 0.05), ((0.5, 0.1, -0.1), 0.2, 0.04)]),
        blade([((0, 0, 0), 0.3, 0.05), ((0, 0.5, -0.1), 0.2, 0.04)], thick="x"),
        fuselage([(-1, 0, 0.1, 0.1), (0, 0, 0.3, 0.2), (1, 0.1, 0.05, 0.05)], squareness=0.5),
    ],
)
def test_part_is_closed_and_outward(part: Part) -> None:
    assert is_watertight(Mesh(part.vertices, part.faces))
    assert volume(part) > 0


def test_volumes_are_those_of_the_solids() -> None:
    assert volume(ring(1.0, 0.4)) == pytest.approx(2 * np.pi**2 * 0.2**2, rel=0.08)
    assert volume(ball(1.0)) == pytest.approx(4 / 3 * np.pi, rel=0.06)
    assert volume(disc(1.0, 0.5, bevel=1e-4)) == pytest.approx(0.5 * np.pi, rel=0.03)
    assert volume(tube([(0, 0, 0), (3, 0, 0)], 2.0)) == pytest.approx(3 * np.pi, rel=0.06)


def test_shell_is_open_at_both_ends() -> None:
    shell = lathe_shell([(1.0, 0.0), (1.0, 2.0)], 0.1)
    assert volume(shell) == pytest.approx(np.pi * (1.0 - 0.81) * 2.0, rel=0.03)
    assert np.linalg.norm(shell.vertices[:, [0, 2]], axis=1).min() == pytest.approx(0.9, abs=1e-6)


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_ring_lies_across_its_axis(axis: str) -> None:
    extent = np.ptp(ring(0.5, 0.1, axis=axis).vertices, axis=0)
    assert extent["xyz".index(axis)] == pytest.approx(0.1, abs=0.01)
    assert sorted(extent)[1] > 1.05


def test_flattened_tube_keeps_its_flat_side_down_along_a_level_curve() -> None:
    angle = np.linspace(0, np.pi, 9)
    part = tube(np.stack([np.cos(angle), np.zeros(9), np.sin(angle)], axis=1), 0.4, kind="square", flatten=0.25)
    assert np.ptp(part.vertices[:, 1]) < 0.11
    radius = np.linalg.norm(part.vertices[:, [0, 2]], axis=1)
    assert radius.min() < 0.83 < 1.17 < radius.max()


def test_rounded_path_keeps_its_ends_and_cuts_its_corner() -> None:
    path = rounded_path([(0, 0, 0), (1, 0, 0), (1, 1, 0)], 0.3)
    np.testing.assert_allclose(path[[0, -1]], [[0, 0, 0], [1, 1, 0]])
    gap = np.linalg.norm(path - [1, 0, 0], axis=1).min()
    assert 0.1 < gap < 0.3
