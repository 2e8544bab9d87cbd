import numpy as np
import pytest


@pytest.mark.parametrize("variant", ["four-legged", "swivel", "cantilever", "rocking"])
def test_seat_lies_between_the_ground_and_the_top_of_the_back(find_objects, variant: str) -> None:
    for drawn, mesh in find_objects("chair", variant=variant):
        low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
        seat = drawn.parameters["seat_height"]
        assert low[1] == pytest.approx(0.0, abs=0.04)
        assert low[1] + 0.3 < seat < high[1] - 0.2
        top = mesh.vertices[mesh.vertices[:, 1] > seat + 0.6 * drawn.parameters["back_height"]]
        assert top[:, 2].mean() < -0.1  # the back is behind: the sitter looks along +z


@pytest.mark.parametrize("shape", ["straight", "tapered", "splayed"])
def test_four_legs_stand_on_the_ground(find_objects, loops, shape: str) -> None:
    for drawn, mesh in find_objects("chair", variant="four-legged", leg_shape=shape):
        assert loops(mesh, "y", 0.02) == 4
        assert f"four {shape} legs" in drawn.caption


def test_tapered_legs_are_thin_at_the_foot_and_splayed_ones_stand_wide(find_objects) -> None:
    foot = {}
    for shape in ("straight", "tapered"):
        drawn, mesh = next(find_objects("chair", 1, variant="four-legged", leg_shape=shape, leg_section="round"))
        corner = mesh.vertices[(mesh.vertices[:, 1] < 0.01) & (mesh.vertices[:, 0] > 0) & (mesh.vertices[:, 2] > 0)]
        foot[shape] = np.ptp(corner[:, 0]) / drawn.parameters["leg_width"]
    assert foot["tapered"] < 0.75 < 0.95 < foot["straight"]
    for drawn, mesh in find_objects("chair", variant="four-legged", leg_shape="splayed", seat_shape="square"):
        feet = mesh.vertices[mesh.vertices[:, 1] < 0.01]
        assert np.ptp(feet[:, 2]) > drawn.parameters["depth"]


@pytest.mark.parametrize(
    ("back", "least", "most"), [("solid", 1, 1), ("slatted", 4, 6), ("ladder", 2, 3), ("ring", 2, 2)]
)
def test_slices_of_the_back_show_its_kind(find_objects, loops, back: str, least: int, most: int) -> None:
    for drawn, mesh in find_objects("chair", back=back, arms="none", back_height="high", seat_padding="bare"):
        middle = drawn.parameters["seat_height"] + 0.5 * drawn.parameters["back_height"]
        assert least <= loops(mesh, "y", middle) <= most


def test_armrests_stand_beside_the_seat(find_objects, loops) -> None:
    for arms, at_the_side in (("none", 0), ("open", 1), ("closed", 1)):
        for drawn, mesh in find_objects("chair", arms=arms, back="ring", seat_padding="bare"):
            level = drawn.parameters["seat_height"] + 0.15
            sides = np.abs(mesh.vertices[:, 0]) > drawn.parameters["width"] / 2 - 0.01
            high = (mesh.vertices[:, 1] > level) & (mesh.vertices[:, 2] > 0)
            assert bool((sides & high).any()) == bool(at_the_side)


def test_rockers_touch_the_ground_in_the_middle_only(find_objects) -> None:
    for _, mesh in find_objects("chair", variant="rocking"):
        ground = mesh.vertices[mesh.vertices[:, 1] < mesh.vertices[:, 1].min() + 0.01]
        assert np.ptp(ground[:, 2]) < 0.4
        assert np.ptp(mesh.vertices[:, 2]) > 0.9


def test_five_star_base_has_five_wheels(find_objects, loops) -> None:
    for _, mesh in find_objects("chair", base="five-star"):
        assert loops(mesh, "y", 0.01) == 5
