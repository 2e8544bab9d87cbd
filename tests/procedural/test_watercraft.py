import numpy as np
import pytest

from ltm3d.procedural.watercraft import build


@pytest.mark.parametrize("variant", ["rowing boat", "sailboat", "tugboat", "catamaran", "cargo ship"])
def test_hull_is_below_and_the_bow_in_front(find_objects, variant: str) -> None:
    for drawn, mesh in find_objects("watercraft", variant=variant):
        p = drawn.parameters
        assert np.ptp(mesh.vertices[:, 2]) == pytest.approx(p["length"], abs=0.06)
        assert mesh.vertices[:, 1].min() == pytest.approx(0.0, abs=0.01)
        hull = build(drawn.attributes, p)[0].vertices
        bow, stern = (hull[np.abs(hull[:, 2] - z * p["length"] / 2) < 0.01] for z in (1, -1))
        assert np.ptp(bow[:, 0]) < 0.06
        if drawn.attributes["stern"] == "flat":
            assert np.ptp(stern[:, 0]) > 2 * np.ptp(bow[:, 0])


@pytest.mark.parametrize(("masts", "number"), [("one", 1), ("two", 2)])
def test_number_of_masts(find_objects, loops, masts: str, number: int) -> None:
    wished = {"variant": "sailboat", "sail": "triangular", "jib": "none", "cabin": "none", "sheer": "level"}
    for drawn, mesh in find_objects("watercraft", masts=masts, **wished):
        level = drawn.parameters["hull_depth"] + 0.08  # above the deck, below the boom
        assert loops(mesh, "y", level) == number
        assert f"{masts} mast" in drawn.caption
        assert np.ptp(mesh.vertices[:, 1]) > 0.7


def test_catamaran_has_two_hulls(find_objects, loops) -> None:
    for _, mesh in find_objects("watercraft", variant="catamaran"):
        assert loops(mesh, "y", 0.04) == 2
    for _, mesh in find_objects("watercraft", variant="tugboat", fenders="none"):
        assert loops(mesh, "y", 0.04) == 1


def test_oars_reach_out_on_both_sides(find_objects) -> None:
    for oars, reach in (("two", True), ("none", False)):
        for drawn, mesh in find_objects("watercraft", variant="rowing boat", oars=oars):
            assert (np.ptp(mesh.vertices[:, 0]) > drawn.parameters["beam"] + 0.3) == reach
            assert ("two oars" in drawn.caption) == reach


def test_rowing_boat_is_open_and_has_its_benches(find_objects) -> None:
    for benches, number in (("one", 1), ("two", 2), ("three", 3)):
        for drawn, _ in find_objects(
            "watercraft", variant="rowing boat", benches=benches, oars="none", gunwale="plain"
        ):
            assert len(build(drawn.attributes, drawn.parameters)) == 1 + number


def test_funnels_stand_on_top(find_objects, loops) -> None:
    for funnels, number in (("one", 1), ("two", 2)):
        for _, mesh in find_objects("watercraft", variant="tugboat", funnels=funnels, cabin="low"):
            assert loops(mesh, "y", mesh.vertices[:, 1].max() - 0.03) == 2 * number  # each with its dark cap


def test_containers_stand_between_the_bow_and_the_bridge(find_objects, loops) -> None:
    for count, number in (("two", 2), ("three", 3), ("four", 4)):
        for drawn, mesh in find_objects("watercraft", containers=count, cabin="low", sheer="level", gunwale="plain"):
            level = drawn.parameters["hull_depth"] + 0.05
            rear = -drawn.parameters["length"] / 2 + 0.24
            keep = mesh.triangles[:, :, 2].min(axis=1) > rear
            part = type(mesh)(mesh.vertices, mesh.faces[keep])
            assert loops(part, "y", level) == number + 1  # and the mast at the bow
