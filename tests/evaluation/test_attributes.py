"""What is asked for against the geometry, and the counting in closed form."""

from collections.abc import Iterator

import numpy as np
import pytest
from index_entries import entry_of

from ltm3d.evaluation.attributes import (
    asked_attributes,
    attribute_document,
    attribute_ratios,
    attribute_text,
    geometric_values,
    share_right,
    visible_attributes,
)
from ltm3d.evaluation.reading import Reading
from ltm3d.procedural.objects import CATEGORIES, ProceduralObject, build_parts, draw_object
from ltm3d.shards.index import IndexEntry


def drawn_objects(category: str, count: int = 12) -> Iterator[ProceduralObject]:
    for index in range(count):
        yield draw_object(category, seed=21, index=index)


def first_of(category: str, **attributes: str) -> ProceduralObject:
    objects = drawn_objects(category, 400)
    return next(each for each in objects if all(each.attributes[name] == attributes[name] for name in attributes))


def vertices(category: str, attributes: dict[str, str], parameters: dict[str, float]) -> np.ndarray:
    return np.concatenate([part.vertices for part in build_parts(category, attributes, parameters)])


def entry_of_object(drawn: ProceduralObject, uid: str = "a", **other: str) -> IndexEntry:
    fields = {"category": drawn.category, "caption": drawn.caption, **other}
    return entry_of(uid, attributes=drawn.attributes, **fields)


@pytest.mark.parametrize("category", CATEGORIES)
def test_what_is_not_asked_for_moves_no_vertex(category: str) -> None:
    painted = set(CATEGORIES[category].ATTRIBUTES) - set(geometric_values(category))
    assert {"colour", "material"} <= painted
    for own, other in zip(drawn_objects(category, 4), drawn_objects(category, 5), strict=False):
        changed = {**own.attributes, **{name: other.attributes[name] for name in painted}}
        for name in painted:  # each to another value
            changed[name] = next(value for value in CATEGORIES[category].ATTRIBUTES[name] if value not in ("none",))
        before, after = (vertices(category, attributes, own.parameters) for attributes in (own.attributes, changed))
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    ("category", "case", "name"),
    [
        ("lamp", {"variant": "table"}, "stem_thickness"),
        ("sofa", {"variant": "chaise", "arms": "square"}, "arm_height"),
        ("sofa", {"variant": "chesterfield", "back_top": "straight"}, "arm_height"),
        ("sofa", {"variant": "chaise"}, "back_top"),
    ],
)
def test_what_a_variant_does_not_build_is_hidden_there_alone(category: str, case: dict[str, str], name: str) -> None:
    hidden = first_of(category, **case)
    assert name not in visible_attributes(category, hidden.attributes)
    other = next(each for each in drawn_objects(category, 50) if name in visible_attributes(category, each.attributes))
    values = CATEGORIES[category].ATTRIBUTES[name]
    for drawn, is_hidden in ((hidden, True), (other, False)):
        moved = next(value for value in values if value not in (drawn.attributes[name], "none"))
        numbers = {**drawn.parameters, name: 1.3 * drawn.parameters[name]} if name in drawn.parameters else {}
        before = vertices(category, drawn.attributes, drawn.parameters)
        after = vertices(category, {**drawn.attributes, name: moved}, numbers or drawn.parameters)
        assert np.array_equal(before, after) == is_hidden


def test_images_ask_for_all_that_is_visible_and_texts_for_what_they_tell() -> None:
    chair = first_of("chair", variant="four-legged", arms="none", seat_padding="bare")
    entry = entry_of_object(chair)
    asked = asked_attributes(entry, "image")
    assert asked[0] == "category" and set(asked[1:]) == set(geometric_values("chair"))
    assert {"colour", "material", "seat_colour"}.isdisjoint(asked) and {"back", "seat_height", "arms"} <= set(asked)
    told = {"category", "variant", "leg_shape", "back", "back_height"}
    assert set(asked_attributes(entry, "text")) == set(asked_attributes(entry, "both")) == told


def test_nothing_is_asked_where_nothing_is_known() -> None:
    chair = first_of("chair")
    assert asked_attributes(entry_of_object(chair, source="objaverse"), "image") == ()
    assert asked_attributes(entry_of_object(chair, category="horse"), "image") == ()
    assert asked_attributes(entry_of_object(chair, caption="a red chair"), "text") == ()  # a captioner's words
    assert asked_attributes(entry_of_object(chair, caption="a red chair"), "image") != ()


def test_a_shape_of_another_category_or_without_surface_has_nothing_right() -> None:
    lamp = first_of("lamp")
    entry, names = entry_of_object(lamp), ("category", "variant", "height", "bulb")
    own = dict(lamp.attributes)
    wrong_height = {**own, "height": "tall" if own["height"] == "short" else "short"}
    assert share_right(Reading("lamp", own), entry, names) == 1
    assert share_right(Reading("lamp", wrong_height), entry, names) == 3 / 4
    assert share_right(Reading("table", own), entry, names) == 0
    assert share_right(None, entry, names) == 0


def test_the_document_counts_assets_by_the_mean_of_their_samples() -> None:
    chair, lamp = first_of("chair", arms="none"), first_of("lamp")
    entries = [entry_of_object(chair, "a"), entry_of_object(lamp, "b"), entry_of_object(chair, "c", source="folder")]
    right = {"a": Reading("chair", chair.attributes), "b": Reading("lamp", lamp.attributes)}
    other = Reading("sofa", {})
    readings = {
        ("generated", "text"): {"a": [right["a"], None], "b": [right["b"], right["b"]], "c": [None, None]},
        ("retrieval", "text"): {"a": [other], "b": [right["b"]], "c": [None]},
        ("round_trip", "none"): {"a": [right["a"]], "b": [right["b"]], "c": [None]},
    }
    document = attribute_document(readings, entries, seed=0)
    assert document is not None and set(document) == {"text"}
    generated, retrieval, round_trip = (document["text"][method] for method in ("generated", "retrieval", "round_trip"))
    num_asked = sum(len(asked_attributes(entry, "text")) for entry in entries[:2])
    assert generated["accuracy"] == 0.75 and generated["by_category"] == {"chair": 0.5, "lamp": 1.0}
    assert (generated["accuracy_low"], generated["accuracy_high"]) == (0.5, 1.0)  # resamples of 0.5 and 1
    assert generated["num_assets"] == 2 and generated["num_asked"] == num_asked
    assert retrieval["accuracy"] == 0.5 and round_trip["accuracy"] == 1.0
    assert attribute_ratios(document) == {"text": 0.75}
    assert "0.7500 [0.5000, 1.0000]" in attribute_text(document)


def test_without_known_attributes_or_a_reader_there_is_no_document() -> None:
    chair = first_of("chair")
    readings = {("generated", "text"): {"a": [Reading("chair", chair.attributes)]}}
    assert attribute_document(readings, [entry_of_object(chair, source="objaverse")], seed=0) is None
    assert attribute_document({}, [entry_of_object(chair)], seed=0) is None
    assert attribute_ratios(None) == {} and "not read" in attribute_text(None)
