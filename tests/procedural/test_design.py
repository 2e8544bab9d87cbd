import numpy as np

from ltm3d.articles import with_article
from ltm3d.procedural.design import COLOURS, MATERIALS, Design, listed, paint


def test_weights_steer_a_choice() -> None:
    design = Design(np.random.default_rng(0))
    drawn = [design.pick("kind", ("a", "b", "c"), (0.7, 0.3, 0.0)) for _ in range(2000)]
    assert drawn.count("c") == 0
    assert 0.65 < drawn.count("a") / 2000 < 0.75


def test_graded_number_lies_in_the_range_that_its_attribute_names() -> None:
    ranges = {"low": (0.1, 0.2), "high": (0.5, 0.9)}
    for seed in range(50):
        design = Design(np.random.default_rng(seed))
        value = design.grade("height", ranges)
        low, high = ranges[design.attributes["height"]]
        assert low <= value <= high
        assert design.parameters == {"height": value}
        assert value == float(f"{value:.4f}")


def test_a_fixed_choice_uses_up_a_draw_too() -> None:
    narrow, wide = Design(np.random.default_rng(1)), Design(np.random.default_rng(1))
    narrow.pick("back", ("solid",))
    wide.pick("back", ("solid", "ring", "none"))
    assert narrow.number("height", 0, 1) == wide.number("height", 0, 1)


def test_second_colour_differs_from_the_first() -> None:
    for seed in range(100):
        assert Design(np.random.default_rng(seed)).colour("accent", other_than="red") != "red"


def test_paints_of_different_colours_stay_apart_in_every_material() -> None:
    for material in MATERIALS:
        paints = np.array([paint(colour, material) for colour in COLOURS], dtype=float)
        assert paints.min() >= 0 and paints.max() <= 255
        gaps = np.linalg.norm(paints[:, None] - paints[None], axis=-1) + 1e3 * np.eye(len(paints))
        assert gaps.min() > 40


def test_brightness_is_limited_to_white() -> None:
    assert max(paint("white", "plastic", 3.0)) == 255
    assert sum(paint("red", "metal", 0.5)) < sum(paint("red", "metal"))


def test_words() -> None:
    assert with_article("orange lamp") == "an orange lamp"
    assert with_article("red lamp") == "a red lamp"
    assert listed(["legs"]) == "legs"
    assert listed(["legs", "a back", "arms"]) == "legs, a back and arms"
