import numpy as np
import pytest

from ltm3d.procedural.bench import build

COUNT = {"two": 2, "three": 3, "four": 4}


@pytest.mark.parametrize("variant", ["park", "backless", "pew", "slab"])
def test_benches_are_long_and_low(find_objects, variant: str) -> None:
    for drawn, mesh in find_objects("bench", variant=variant):
        extent = np.ptp(mesh.vertices, axis=0)
        assert extent[0] > 1.3 * max(extent[1], extent[2])
        assert mesh.vertices[:, 1].min() == pytest.approx(0.0, abs=0.02)
        assert mesh.vertices[:, 1].max() >= drawn.parameters["seat_height"] - 1e-3


def test_back_rises_behind_the_seat_where_there_is_one(find_objects) -> None:
    for drawn, mesh in find_objects("bench", 8, ends="plain"):
        above = mesh.vertices[mesh.vertices[:, 1] > drawn.parameters["seat_height"] + 0.19]
        if drawn.attributes["back"] == "none":
            assert not len(above)
        else:
            assert len(above) and above[:, 2].mean() < -0.05


@pytest.mark.parametrize("count", list(COUNT))
def test_number_of_slats(find_objects, loops, count: str) -> None:
    for drawn, mesh in find_objects("bench", variant="backless", num_seat_slats=count, shape="straight", ends="plain"):
        keep = (
            mesh.triangles[:, :, 1].min(axis=1)
            > drawn.parameters["seat_height"] - drawn.parameters["seat_thickness"] - 1e-4
        )
        board = type(mesh)(mesh.vertices, mesh.faces[keep & (mesh.triangles[:, :, 1].max(axis=1) > 0)])
        assert loops(board, "x", 0.2) == COUNT[count]


@pytest.mark.parametrize(("supports", "feet"), [("legs", 2), ("splayed legs", 2), ("panels", 1), ("loop frames", 1)])
def test_supports_stand_on_the_ground(find_objects, loops, supports: str, feet: int) -> None:
    for count in ("two", "three"):
        for _, mesh in find_objects(
            "bench", 2, variant="backless", supports=supports, num_supports=count, ends="plain"
        ):
            assert loops(mesh, "y", 0.02) == feet * COUNT[count]


def test_curved_benches_bend(find_objects) -> None:
    for drawn, mesh in find_objects("bench", variant="slab", shape="curved", ends="plain"):
        seat = mesh.vertices[mesh.vertices[:, 1] > drawn.parameters["seat_height"] - 0.02]
        x, z = np.abs(seat[:, 0]), seat[:, 2]
        assert z[(x > 0.3) & (x < 0.45)].mean() > z[x < 0.1].mean() + 0.03  # the ends come forward


def test_ring_armrests_have_holes(find_objects) -> None:
    for drawn, _ in find_objects("bench", arms="ring"):
        rings = [
            part for part in build(drawn.attributes, drawn.parameters) if len(part.faces) == 2 * len(part.vertices)
        ]
        assert len(rings) >= 2


def test_planters_stand_at_both_ends(find_objects) -> None:
    for drawn, mesh in find_objects("bench", ends="planters"):
        high = mesh.vertices[mesh.vertices[:, 1] > drawn.parameters["seat_height"] + 0.05]
        assert np.abs(high[:, 0]).min() > 0.3
        assert "planters at both ends" in drawn.caption
