import numpy as np
import pytest

from ltm3d.procedural.design import paint

COUNT = {"one": 1, "two": 2, "three": 3}


def shade_points(drawn, mesh) -> np.ndarray:
    material = "fabric" if drawn.attributes["shade_shape"] in ("cone", "drum") else "plastic"
    return mesh.vertices[(mesh.vertex_colors == paint(drawn.attributes["shade_colour"], material)).all(axis=1)]


@pytest.mark.parametrize("variant", ["floor", "table"])
def test_shade_is_on_top_of_standing_lamps(find_objects, variant: str) -> None:
    for drawn, mesh in find_objects("lamp", variant=variant):
        assert mesh.vertices[:, 1].min() == pytest.approx(0.0, abs=0.02)
        assert shade_points(drawn, mesh)[:, 1].min() > 0.35 * mesh.vertices[:, 1].max()


def test_shade_is_the_lowest_part_of_a_pendant(find_objects) -> None:
    for drawn, mesh in find_objects("lamp", variant="pendant", bulb="hidden"):
        assert shade_points(drawn, mesh)[:, 1].min() < mesh.vertices[:, 1].min() + 0.05


@pytest.mark.parametrize("count", list(COUNT))
def test_number_of_stems_of_a_pendant(find_objects, loops, count: str) -> None:
    for drawn, mesh in find_objects("lamp", variant="pendant", num_shades=count, shade_shape="dome"):
        assert loops(mesh, "y", mesh.vertices[:, 1].max() - 0.12) == COUNT[count]
        assert count == "one" or f"{count} {drawn.attributes['shade_size']} dome shades" in drawn.caption


def test_shade_has_the_size_and_shape_said(find_objects) -> None:
    for shape in ("cone", "drum", "dome", "globe"):
        for drawn, mesh in find_objects("lamp", variant="floor", num_shades="one", shade_shape=shape):
            points = shade_points(drawn, mesh)
            radius = drawn.parameters["shade_size"]
            assert np.ptp(points[:, 0]) == pytest.approx(2 * radius, rel=0.03)
            upper = points[points[:, 1] > points[:, 1].max() - 0.02]
            share = np.ptp(upper[:, 0]) / (2 * radius)
            assert {"cone": 0.4 < share < 0.6, "drum": share > 0.9}.get(shape, share < 0.65), shape


def test_shades_are_hollow_unless_globes(find_objects) -> None:
    for drawn, mesh in find_objects("lamp", variant="table", shade_shape="drum", bulb="hidden"):
        points = shade_points(drawn, mesh)
        rim = points[points[:, 1] < points[:, 1].min() + 0.01]
        radius = np.linalg.norm(rim[:, [0, 2]], axis=1)
        assert radius.min() > 0.6 * drawn.parameters["shade_size"]


def test_desk_lamp_reaches_forward(find_objects) -> None:
    for drawn, mesh in find_objects("lamp", variant="desk-arm"):
        assert shade_points(drawn, mesh)[:, 2].max() > drawn.parameters["base_size"] * 0.5
        assert shade_points(drawn, mesh)[:, 1].min() > 0.25


def test_tripod_stands_on_three_feet(find_objects, loops) -> None:
    for _, mesh in find_objects("lamp", base="tripod"):
        assert loops(mesh, "y", 0.02) == 3
