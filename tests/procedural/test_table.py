import numpy as np
import pytest

COUNT = {"three": 3, "four": 4, "six": 6}


@pytest.mark.parametrize("count", list(COUNT))
def test_number_of_legs(find_objects, loops, count: str) -> None:
    for shape in ("straight", "tapered", "turned", "splayed"):
        for drawn, mesh in find_objects("table", 2, num_legs=count, leg_shape=shape):
            assert loops(mesh, "y", 0.02) == COUNT[count]
            assert f"{count} {shape} legs" in drawn.caption


@pytest.mark.parametrize("variant", ["legged", "pedestal", "trestle", "desk"])
def test_top_is_level_and_as_large_as_said(find_objects, variant: str) -> None:
    for drawn, mesh in find_objects("table", variant=variant):
        p = drawn.parameters
        assert mesh.vertices[:, 1].max() == pytest.approx(p["height"], abs=1e-4)
        top = mesh.vertices[mesh.vertices[:, 1] > p["height"] - 0.6 * p["top_thickness"]]
        assert np.ptp(top[:, 0]) == pytest.approx(p["length"], abs=0.02)
        assert mesh.vertices[:, 1].min() == pytest.approx(0.0, abs=0.015)


def test_shapes_of_the_top(find_objects) -> None:
    """A top's area as a share of its bounding rectangle tells its shape."""
    area = {"rectangular": (0.95, 1.0), "square": (0.95, 1.0), "round": (0.76, 0.8), "oval": (0.76, 0.8)}
    for shape, (least, most) in (area | {"hexagonal": (0.72, 0.76)}).items():
        for drawn, mesh in find_objects("table", top_shape=shape, top_edge="straight"):
            cross = np.cross(*(mesh.triangles[:, k] - mesh.triangles[:, 0] for k in (1, 2)))
            level = mesh.triangles[:, :, 1].min(axis=1) > drawn.parameters["height"] - 1e-4
            rim = mesh.vertices[mesh.vertices[:, 1] > drawn.parameters["height"] - 1e-4]
            share = cross[level, 1].sum() / 2 / np.prod(np.ptp(rim[:, [0, 2]], axis=0))
            assert least <= share * (1 if shape != "hexagonal" else 0.985) <= most + 0.02, shape


def test_shelf_lies_below_the_top(find_objects) -> None:
    for drawn, mesh in find_objects("table", shelf="lower", variant="legged"):
        height = drawn.parameters["height"]
        middle = np.linalg.norm(mesh.vertices[:, [0, 2]], axis=1) < 0.02
        assert ((mesh.vertices[middle, 1] > 0.2 * height) & (mesh.vertices[middle, 1] < 0.5 * height)).any()


def test_drawers_are_on_the_front(find_objects) -> None:
    for drawn, mesh in find_objects("table", variant="desk", drawers="six"):
        knobs = mesh.vertices[mesh.vertices[:, 2] > mesh.vertices[:, 2].max() - 0.01]
        assert len(np.unique(np.sign(knobs[:, 0]))) == 2
        assert "six drawers" in drawn.caption
