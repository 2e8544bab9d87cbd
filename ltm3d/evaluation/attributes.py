"""Prompt fidelity by attributes: which a shape is asked for, and how many it has (eval/v1).

What is asked for must be visible in the geometry alone. Of a procedural object's attributes these are not:
- colours and materials, and `accents`, the place of the second colour: they paint the same vertices;
- the few that a variant draws but does not build (`_NOT_BUILT`): a table lamp hides its stem in its body, a chaise
  longue's back and arm follow the back's height, and so do a chesterfield's arms under a straight back.
All others move vertices: numbers of parts, their kinds, and graded lengths (`seat_height`, `wing_span` …), whose grades
leave gaps between them, so that proportions tell them although the frame hides the absolute size. `none` counts as a
value: that there are no arms is seen, too. tests/evaluation/test_attributes.py holds the geometry against this list.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ltm3d.evaluation.reading import MethodReadings, Reading
from ltm3d.metrics.bootstrap import bootstrap_interval
from ltm3d.procedural.objects import CATEGORIES, describe
from ltm3d.shards.index import IndexEntry

CATEGORY = "category"
_PAINTED = frozenset(("material", "accents"))
_NOT_BUILT: dict[str, list[tuple[dict[str, str], tuple[str, ...]]]] = {
    "lamp": [({"variant": "table"}, ("stem_thickness",))],
    "sofa": [
        ({"variant": "chaise"}, ("arm_height", "back_top")),
        ({"variant": "chesterfield", "back_top": "straight"}, ("arm_height",)),
    ],
}


def geometric_values(category: str) -> dict[str, tuple[str, ...]]:
    """Return a category's attributes that geometry shows, with their values."""
    return {
        name: values
        for name, values in CATEGORIES[category].ATTRIBUTES.items()
        if name not in _PAINTED and not name.endswith("colour")
    }


def visible_attributes(category: str, attributes: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the attributes that an object's own geometry shows."""
    hidden = {
        name
        for case, names in _NOT_BUILT.get(category, [])
        if all(attributes[key] == value for key, value in case.items())
        for name in names
    }
    return tuple(name for name in geometric_values(category) if name not in hidden)


def is_readable(entry: IndexEntry) -> bool:
    """Tell whether an asset has attributes that a reader knows: those of the procedural source do."""
    return entry.source == "procedural" and entry.category in CATEGORIES and bool(entry.attributes)


def asked_attributes(entry: IndexEntry, prompt: str) -> tuple[str, ...]:
    """Return what a prompt asks of a shape, the category first; empty where that cannot be known.

    An image shows every visible attribute. A text, alone or beside an image, is held to those that it mentions: they
    are known of the source's own captions only, not of one that a captioner wrote.
    """
    if not is_readable(entry):
        return ()
    visible = visible_attributes(entry.category, entry.attributes)
    if prompt == "image":
        return (CATEGORY, *visible)
    caption, mentioned = describe(entry.category, entry.attributes)
    return (CATEGORY, *(name for name in mentioned if name in visible)) if entry.caption == caption else ()


def share_right(reading: Reading | None, entry: IndexEntry, names: Sequence[str]) -> float:
    """Return the share of the asked attributes that a reading has right.

    A shape without a surface has none, and so has one that is read as another category: its attributes of the same
    names speak of something else.
    """
    if reading is None or reading.category != entry.category:
        return 0.0
    right = [name == CATEGORY or reading.attributes[name] == entry.attributes[name] for name in names]
    return sum(right) / len(right)


def attribute_document(
    readings: MethodReadings, entries: Sequence[IndexEntry], *, seed: int
) -> dict[str, dict[str, dict[str, Any]]] | None:
    """Return prompt → method → accuracy; None where no test asset has known attributes, or nothing was read.

    The methods that see no prompt (round trip, true mesh, category mean) stand under each: all methods of a prompt
    are asked the same, and can be divided. An asset counts by the mean over its samples, as everywhere.
    """
    document: dict[str, dict[str, dict[str, Any]]] = {}
    readable = [entry for entry in entries if is_readable(entry)]
    for prompt in dict.fromkeys(prompt for _, prompt in readings if prompt != "none"):
        asked = {entry.uid: names for entry in readable if (names := asked_attributes(entry, prompt))}
        if asked:
            document[prompt] = {
                method: _summary(by_asset, readable, asked, seed)
                for (method, seen), by_asset in readings.items()
                if seen in (prompt, "none")
            }
    return document or None


def _summary(
    by_asset: Mapping[str, Sequence[Reading | None]],
    entries: Sequence[IndexEntry],
    asked: Mapping[str, Sequence[str]],
    seed: int,
) -> dict[str, Any]:
    by_category: dict[str, list[float]] = {}
    for entry in entries:
        if entry.uid in asked:
            shares = [share_right(reading, entry, asked[entry.uid]) for reading in by_asset[entry.uid]]
            by_category.setdefault(entry.category, []).append(sum(shares) / len(shares))
    interval = bootstrap_interval([share for shares in by_category.values() for share in shares], seed=seed)
    return {
        "accuracy": interval.mean,
        "accuracy_low": interval.low,
        "accuracy_high": interval.high,
        "num_assets": len(asked),
        "num_asked": sum(len(names) for names in asked.values()),
        "by_category": {category: sum(shares) / len(shares) for category, shares in sorted(by_category.items())},
    }


def attribute_ratios(document: Mapping[str, Mapping[str, Mapping[str, Any]]] | None) -> dict[str, float]:
    """Divide the generated shapes' accuracy by that of the round trips, all that the tokens can show."""
    return {
        prompt: methods["generated"]["accuracy"] / methods["round_trip"]["accuracy"]
        for prompt, methods in (document or {}).items()
        if "generated" in methods and methods.get("round_trip", {}).get("accuracy", 0) > 0
    }


def attribute_text(document: Mapping[str, Mapping[str, Mapping[str, Any]]] | None) -> str:
    """Lay the accuracies out for a terminal."""
    if document is None:
        return "attributes: not read, no test asset has known ones and a reader"
    lines = [f"{'prompt':<8}{'method':<24}{'attributes':>24}{'asked':>8}"]
    for prompt, methods in document.items():
        for method, row in methods.items():
            interval = f"{row['accuracy']:.4f} [{row['accuracy_low']:.4f}, {row['accuracy_high']:.4f}]"
            lines.append(f"{prompt:<8}{method:<24}{interval:>24}{row['num_asked']:>8}")
    return "\n".join(lines)
