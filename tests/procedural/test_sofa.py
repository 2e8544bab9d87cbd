import numpy as np
import pytest

from ltm3d.procedural.design import paint
from ltm3d.procedural.sofa import build

COUNT = {"two": 2, "three": 3, "four": 4}


@pytest.mark.parametrize("variant", ["straight", "corner", "chaise", "chesterfield"])
def test_back_is_behind_and_the_seat_below(find_objects, variant: str) -> None:
    for drawn, mesh in find_objects("sofa", variant=variant):
        assert mesh.vertices[:, 1].min() == pytest.approx(0.0, abs=0.02)
        middle = mesh.vertices[np.abs(mesh.vertices[:, 0]) < 0.2]
        top = middle[middle[:, 1] > 0.85 * middle[:, 1].max()]
        assert top[:, 2].mean() < -0.05
        assert np.ptp(mesh.vertices[:, 0]) > 1.1 * np.ptp(mesh.vertices[:, 1]), drawn.caption


@pytest.mark.parametrize("seats", list(COUNT))
def test_a_cushion_a_seat(find_objects, seats: str) -> None:
    for drawn, _ in find_objects("sofa", variant="straight", num_seats=seats, seat_cushions="separate", pillows="none"):
        soft = paint(drawn.attributes["colour"], drawn.attributes["material"], 1.12)
        cushions = [part for part in build(drawn.attributes, drawn.parameters) if part.color == soft]
        if soft != paint(drawn.attributes["colour"], drawn.attributes["material"]):
            assert len(cushions) == COUNT[seats]
        assert f"{seats}-seat" in drawn.caption


def test_more_seats_make_a_longer_sofa(find_objects) -> None:
    widths = [
        np.mean(
            [np.ptp(mesh.vertices[:, 0]) for _, mesh in find_objects("sofa", 6, variant="straight", num_seats=seats)]
        )
        for seats in COUNT
    ]
    assert widths == sorted(widths)


def test_corner_sofa_reaches_forward_on_its_side(find_objects) -> None:
    for side, sign in (("right", 1.0), ("left", -1.0)):
        for _, mesh in find_objects("sofa", variant="corner", side=side):
            front = mesh.vertices[mesh.vertices[:, 2] > mesh.vertices[:, 2].max() - 0.1]
            assert sign * front[:, 0].min() > 0 or sign * front[:, 0].max() > 0
            assert sign * front[:, 0].mean() > 0.1


def test_straight_sofas_are_symmetric_but_for_pillows(find_objects) -> None:
    for _, mesh in find_objects("sofa", variant="straight", pillows="none"):
        box = np.stack([mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)])
        assert box[0, 0] == pytest.approx(-box[1, 0], abs=1e-4)


def test_number_of_legs_and_none_on_a_plinth(find_objects, loops) -> None:
    for _, mesh in find_objects("sofa", variant="straight", legs="tapered"):
        assert loops(mesh, "y", 0.02) == 4
    for _, mesh in find_objects("sofa", variant="corner", legs="block"):
        assert loops(mesh, "y", 0.02) == 8
    for _, mesh in find_objects("sofa", variant="straight", legs="plinth"):
        assert loops(mesh, "y", 0.02) == 1


def test_pillows(find_objects) -> None:
    for pillows, number in (("none", 0), ("one", 1), ("two", 2)):
        for drawn, _ in find_objects("sofa", pillows=pillows, variant="straight"):
            parts = build(drawn.attributes, drawn.parameters)
            without = build(drawn.attributes | {"pillows": "none", "pillow_colour": "none"}, drawn.parameters)
            assert len(parts) == len(without) + number
