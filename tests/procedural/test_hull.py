import numpy as np
import pytest

from ltm3d.geometry.mesh import Mesh, is_watertight
from ltm3d.procedural.hull import Hull, gunwale_rim, hull_part
from ltm3d.procedural.solids import signed_volume


def make_hull(**changes: float) -> Hull:
    settings = {"length": 1.0, "beam": 0.4, "depth": 0.2, "sheer": 0.05, "bow": 0.8, "transom": 0.7}
    return Hull(**(settings | changes))


@pytest.mark.parametrize("transom", [0.08, 0.8])
@pytest.mark.parametrize("floor", [None, 0.06])
def test_hull_is_closed_and_outward(transom: float, floor: float | None) -> None:
    part = hull_part(make_hull(transom=transom), floor=floor)
    assert is_watertight(Mesh(part.vertices, part.faces))
    assert signed_volume(part.vertices, part.faces) > 0


def test_open_hull_is_hollow() -> None:
    decked, hollow = (hull_part(make_hull(), floor=floor) for floor in (None, 0.06))
    assert signed_volume(hollow.vertices, hollow.faces) < 0.65 * signed_volume(decked.vertices, decked.faces)


def test_hull_has_its_measures_and_points_forward() -> None:
    hull = make_hull()
    vertices = hull_part(hull).vertices
    np.testing.assert_allclose(np.ptp(vertices[:, [0, 2]], axis=0), [0.4, 1.0], atol=0.01)
    assert vertices[:, 1].min() == pytest.approx(0.0, abs=0.01)
    assert hull.half_beam(0.49) < 0.3 * hull.half_beam(-0.49)
    assert hull.gunwale(0.5) == pytest.approx(0.25)


def test_pointed_stern_is_narrower_than_a_flat_one() -> None:
    assert make_hull(transom=0.08).half_beam(-0.5) < 0.2 * make_hull(transom=0.8).half_beam(-0.5)


def test_rim_follows_the_gunwale() -> None:
    rim = gunwale_rim(make_hull())
    assert is_watertight(Mesh(rim.vertices, rim.faces))
    assert rim.vertices[:, 1].min() > 0.15
    assert np.ptp(rim.vertices[:, 2]) == pytest.approx(1.0, abs=0.06)
