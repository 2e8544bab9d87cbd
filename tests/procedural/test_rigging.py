import numpy as np
import pytest

from ltm3d.geometry.mesh import Mesh, is_watertight
from ltm3d.procedural.hull import Hull
from ltm3d.procedural.rigging import make_rig
from ltm3d.procedural.solids import Part, signed_volume

HULL = Hull(length=1.0, beam=0.3, depth=0.15, sheer=0.02, bow=0.8, transom=0.7)
RED, WHITE, BLACK = (255, 0, 0), (255, 255, 255), (0, 0, 0)


def rig(sail: str, jib: str = "none") -> list[Part]:
    return make_rig(
        {"sail": sail, "jib": jib}, HULL, tall=0.8, z=0.1, room=0.4, sail_paint=RED, jib_paint=WHITE, spar=BLACK
    )


@pytest.mark.parametrize(("sail", "jib"), [("triangular", "none"), ("triangular", "one"), ("square", "none")])
def test_parts_are_closed_and_outward(sail: str, jib: str) -> None:
    for part in rig(sail, jib):
        assert is_watertight(Mesh(part.vertices, part.faces))
        assert signed_volume(part.vertices, part.faces) > 0


def test_triangular_sail_lies_along_the_boat_and_a_square_one_across() -> None:
    (along,) = (part for part in rig("triangular") if part.color == RED)
    assert np.ptp(along.vertices[:, 0]) < 0.15 < 0.35 < np.ptp(along.vertices[:, 2])
    across = np.concatenate([part.vertices for part in rig("square") if part.color == RED])
    assert np.ptp(across[:, 2]) < 0.15 < 0.35 < np.ptp(across[:, 0])


def test_sail_is_behind_the_mast_and_the_jib_before_it() -> None:
    sails = {part.color: part.vertices for part in rig("triangular", "one") if part.color != BLACK}
    assert sails[RED][:, 2].max() < 0.12
    assert sails[WHITE][:, 2].min() > 0.1
    assert sails[WHITE][:, 2].max() < HULL.length / 2
