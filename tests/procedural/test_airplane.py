import numpy as np
import pytest

from ltm3d.procedural.airplane import build
from ltm3d.procedural.design import paint


@pytest.mark.parametrize("variant", ["airliner", "biplane", "fighter jet", "propeller plane"])
def test_wings_span_and_tail_is_behind(find_objects, variant: str) -> None:
    for drawn, mesh in find_objects("airplane", variant=variant):
        span = np.ptp(mesh.vertices[:, 0])
        assert span == pytest.approx(2 * drawn.parameters["wing_span"], abs=0.08)
        assert np.ptp(mesh.vertices[:, 2]) > 0.95 * drawn.parameters["length"]
        body = mesh.vertices[mesh.vertices[:, 1] > 0.6 * mesh.vertices[:, 1].max()]
        if variant in ("airliner", "fighter jet"):
            assert body[:, 2].mean() < -0.2  # the fin


def test_airplanes_are_symmetric(find_objects) -> None:
    for _, mesh in find_objects("airplane", 8, variant="airliner"):
        ordered = sorted(map(tuple, np.round(mesh.vertices * [1, 1, 1], 4)))
        mirrored = sorted(map(tuple, np.round(mesh.vertices * [-1, 1, 1], 4)))
        np.testing.assert_allclose(ordered, mirrored, atol=2e-3)


def test_swept_wings_have_their_tips_behind_the_tips_of_straight_ones(find_objects) -> None:
    tips = {}
    for shape in ("straight", "swept"):
        drawn, mesh = next(find_objects("airplane", 1, variant="airliner", wing_shape=shape, wing_tips="plain"))
        tips[shape] = mesh.vertices[mesh.vertices[:, 0] > 0.97 * drawn.parameters["wing_span"], 2].mean()
    assert tips["swept"] < tips["straight"] - 0.1


@pytest.mark.parametrize(("count", "number"), [("two", 2), ("four", 4)])
def test_number_of_engines(find_objects, count: str, number: int) -> None:
    for drawn, _ in find_objects("airplane", num_engines=count, engines="under the wings", wing_tips="plain"):
        grey = paint("grey" if drawn.attributes["colour"] != "grey" else "white", "metal")
        pods = [
            part for part in build(drawn.attributes, drawn.parameters) if part.color == grey and len(part.faces) > 150
        ]
        assert len(pods) == number
        assert f"{count} engines under the wings" in drawn.caption


@pytest.mark.parametrize(("blades", "number"), [("two", 2), ("three", 3), ("four", 4)])
def test_propeller_is_in_front(find_objects, blades: str, number: int) -> None:
    for drawn, _ in find_objects("airplane", propeller_blades=blades):
        front = drawn.parameters["length"] / 2
        parts = build(drawn.attributes, drawn.parameters)
        leaves = [
            part
            for part in parts
            if part.vertices[:, 2].min() > front - 0.06 and np.ptp(part.vertices, axis=0).max() > 0.1
        ]
        assert len(leaves) == number
        assert f"{blades}-blade propeller" in drawn.caption


def test_biplane_has_two_wings_above_each_other(find_objects, loops) -> None:
    for drawn, mesh in find_objects("airplane", variant="biplane"):
        assert loops(mesh, "x", 0.9 * drawn.parameters["wing_span"]) == 2
    for drawn, mesh in find_objects("airplane", variant="propeller plane"):
        assert loops(mesh, "x", 0.9 * drawn.parameters["wing_span"]) == 1
