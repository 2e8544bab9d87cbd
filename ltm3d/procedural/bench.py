"""Benches: park, backless, pew and slab. The sitter looks along +z; the length lies along x."""

import numpy as np

from ltm3d.articles import with_article
from ltm3d.procedural.design import COLOURS, Attributes, Description, Design, Parameters, paint, phrase
from ltm3d.procedural.solids import Part, both_sides, box, post
from ltm3d.procedural.sweeps import ring, rounded_path, tube

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "variant": ("park", "backless", "pew", "slab"),
    "colour": tuple(COLOURS),
    "material": ("wooden", "metal", "plastic", "stone"),
    "frame_colour": tuple(COLOURS),
    "seat": ("solid", "slatted"),
    "num_seat_slats": ("none", "two", "three", "four"),
    "seat_height": ("low", "medium", "high"),
    "depth": ("shallow", "deep"),
    "back": ("none", "slatted", "spindle", "solid", "crossed"),
    "back_height": ("none", "low", "high"),
    "back_tilt": ("none", "upright", "reclined"),
    "arms": ("none", "straight", "curved", "ring"),
    "supports": ("legs", "splayed legs", "loop frames", "panels", "blocks"),
    "num_supports": ("two", "three"),
    "stretcher": ("none", "single"),
    "ends": ("plain", "planters"),
    "shape": ("straight", "curved"),
}
_COUNT = {"two": 2, "three": 3, "four": 4}
_HALF = 0.5  # of the length


def draw(design: Design) -> None:
    """Draw one bench."""
    variant = design.pick("variant", ATTRIBUTES["variant"], (0.42, 0.24, 0.18, 0.16))
    colour = design.colour("colour")
    design.pick("material", ("stone",) if variant == "slab" else ATTRIBUTES["material"][:3], None)
    design.colour("frame_colour", other_than=colour)
    slatted = variant in ("park", "backless")
    seat = design.pick("seat", ("slatted", "solid") if slatted else ("solid",), (0.75, 0.25) if slatted else None)
    design.pick("num_seat_slats", ("two", "three", "four") if seat == "slatted" else ("none",))
    design.grade("seat_height", {"low": (0.2, 0.22), "medium": (0.26, 0.29), "high": (0.33, 0.36)})
    design.grade("depth", {"shallow": (0.26, 0.29), "deep": (0.34, 0.38)})
    with_back = variant in ("park", "pew")
    backs = {"park": ("slatted", "spindle", "solid", "crossed"), "pew": ("solid", "spindle")}.get(variant, ("none",))
    design.pick("back", backs, (0.45, 0.25, 0.1, 0.2) if variant == "park" else None)
    heights = {"low": (0.22, 0.26), "high": (0.33, 0.38)} if with_back else {"none": (0.0, 0.0)}
    design.grade("back_height", heights)
    tilts = {"upright": (2.0, 5.0), "reclined": (13.0, 18.0)} if with_back else {"none": (0.0, 0.0)}
    design.grade("back_tilt", {"upright": tilts["upright"]} if variant == "pew" else tilts)
    design.pick(
        "arms", ATTRIBUTES["arms"] if variant == "park" else ("none",), (0.2, 0.3, 0.25, 0.25) if with_back else None
    )
    supports = {
        "park": ("legs", "splayed legs", "loop frames"),
        "backless": ("legs", "splayed legs", "loop frames", "panels"),
        "pew": ("panels",),
        "slab": ("blocks", "panels"),
    }[variant]
    design.pick("supports", supports)
    design.pick("num_supports", ATTRIBUTES["num_supports"] if variant != "pew" else ("two",), None)
    design.pick("stretcher", ATTRIBUTES["stretcher"] if variant != "slab" else ("none",))
    planters = variant in ("backless", "slab")
    design.pick("ends", ATTRIBUTES["ends"] if planters else ("plain",), (0.65, 0.35) if planters else None)
    design.pick("shape", ATTRIBUTES["shape"] if variant in ("backless", "slab") else ("straight",))
    design.number("seat_thickness", 0.06, 0.075)
    design.number("curvature", 0.1, 0.14)


def describe(attributes: Attributes) -> Description:
    """Return the caption's noun and its details, the most visible first."""
    a, variant = attributes, attributes["variant"]
    noun = {"park": "park bench", "backless": "backless bench", "pew": "pew bench", "slab": "slab bench"}[variant]
    lead = phrase("curved", "shape") if a["shape"] == "curved" else phrase("")
    details = []
    if a["back"] != "none":
        details.append(phrase(with_article(f"{a['back_height']} {a['back']} back"), "back_height", "back"))
    if a["ends"] == "planters":
        details.append(phrase("planters at both ends", "ends"))
    if a["arms"] != "none":
        details.append(phrase(f"{a['arms']} armrests", "arms"))
    if variant == "backless":
        details.append(phrase(with_article(f"{a['seat']} seat"), "seat"))
    if variant != "pew":
        plural = {"legs": "pairs of legs", "splayed legs": "pairs of splayed legs"}.get(a["supports"], a["supports"])
        details.append(phrase(f"{a['num_supports']} {plural}", "num_supports", "supports"))
    else:
        details.append(phrase(f"{a['frame_colour']} side panels", "frame_colour"))
    return Description(phrase(noun, "variant"), details, lead)


def build(attributes: Attributes, parameters: Parameters) -> list[Part]:
    """Build the bench's parts."""
    a, p = attributes, parameters
    board = paint(a["colour"], a["material"])
    frame = paint(a["frame_colour"], "stone" if a["material"] == "stone" else "metal", 0.85)
    parts = [part.painted(board) for part in _seat(a, p)]
    if a["back"] != "none":
        parts += [part.painted(board) for part in _back(a, p)]
    parts += [part.painted(frame) for part in _supports(a, p)]
    if a["arms"] != "none":
        parts += [part.painted(frame) for part in _arms(a, p)]
    if a["ends"] == "planters":
        height = p["seat_height"] + 0.1
        for x in (-_HALF, _HALF):
            z = _bend(p, a, x)
            parts.append(box((0.22, height, p["depth"] + 0.04), at=(x, height / 2, z), radius=0.02).painted(frame))
            plant = box((0.2, 0.14, p["depth"]), at=(x, height + 0.03, z), radius=0.06, bevels=2)
            parts.append(plant.painted(paint("green", "plastic", 0.9)))
    return parts


def _bend(p: Parameters, a: Attributes, x: float) -> float:
    """Return how far a curved bench lies behind (its middle) or before (its ends) z = 0."""
    return p["curvature"] * (4.0 * x * x - 0.5) if a["shape"] == "curved" else 0.0


def _beam(a: Attributes, p: Parameters, y: float, z: float, high: float, deep: float) -> Part:
    """Make a board along the bench, bent with it."""
    if a["shape"] == "straight":
        return box((2 * _HALF, high, deep), at=(0, y, z), radius=0.02, bevels=2)
    x = np.linspace(-_HALF, _HALF, 13)
    path = np.stack([x, np.full(13, y), z + np.array([_bend(p, a, float(value)) for value in x])], axis=1)
    return tube(path, deep, kind="square", flatten=high / deep)


def _seat(a: Attributes, p: Parameters) -> list[Part]:
    y, high, deep = p["seat_height"] - p["seat_thickness"] / 2, p["seat_thickness"], p["depth"]
    if a["variant"] == "slab":
        high, y = 1.3 * high, p["seat_height"] - 0.65 * high
    if a["seat"] == "solid":
        return [_beam(a, p, y, 0.0, high, deep)]
    count = _COUNT[a["num_seat_slats"]]
    gap = {2: 0.045, 3: 0.035, 4: 0.028}[count]
    wide = (deep + gap) / count
    return [_beam(a, p, y, -deep / 2 + wide * (k + 0.5) - gap / 2, high, wide - gap) for k in range(count)]


def _stations(a: Attributes) -> tuple[float, ...]:
    edge = 0.36 if a["variant"] in ("backless", "slab") else 0.42
    return (-edge, edge) if a["num_supports"] == "two" else (-edge, 0.0, edge)


def _back(a: Attributes, p: Parameters) -> list[Part]:
    high, half = p["back_height"], 0.47
    parts: list[Part] = []
    if a["back"] == "solid":
        parts.append(box((2 * _HALF - 0.04, high, 0.055), at=(0, high / 2, 0), radius=0.02, bevels=2))
    else:
        parts.append(box((2 * _HALF - 0.02, 0.07, 0.06), at=(0, high - 0.03, 0), radius=0.02, bevels=2))
    if a["back"] == "slatted":
        count = 2 if high < 0.3 else 3
        for k in range(1, count):
            parts.append(
                box((2 * _HALF - 0.02, 0.07, 0.05), at=(0, high - 0.03 - k * high / (count + 0.3), 0), radius=0.015)
            )
        parts += [box((0.05, high + 0.06, 0.05), at=(x, high / 2 - 0.03, -0.015)) for x in _stations(a)]
    if a["back"] in ("spindle", "crossed"):
        parts.append(box((2 * half, 0.055, 0.05), at=(0, 0.07, 0), radius=0.015))
        parts += both_sides(box((0.06, high + 0.04, 0.055), at=(half - 0.02, high / 2 - 0.02, 0)))
    if a["back"] == "spindle":
        for x in np.linspace(-half, half, 9)[1:-1]:
            parts.append(box((0.045, high - 0.06, 0.042), at=(float(x), high / 2, 0)))
    if a["back"] == "crossed":
        low, top = 0.07, high - 0.03
        spans = ((-half, 0.0), (0.0, half))
        for left, right in spans:
            parts.append(tube([(left, low, 0), (right, top, 0)], 0.048, kind="square"))
            parts.append(tube([(left, top, 0), (right, low, 0)], 0.046, kind="square"))
        parts.append(box((0.055, high - 0.02, 0.05), at=(0, high / 2 - 0.01, 0)))
    at = (0.0, p["seat_height"] - 0.03, 0.02 - p["depth"] / 2)
    return [part.moved(*at).turned("x", -p["back_tilt"], about=at) for part in parts]


def _supports(a: Attributes, p: Parameters) -> list[Part]:
    y, z = p["seat_height"] - 0.5 * p["seat_thickness"], p["depth"] / 2 - 0.035
    parts: list[Part] = []
    for x in _stations(a) if a["variant"] != "pew" else (-_HALF, _HALF):
        shift = _bend(p, a, x)
        parts += [part.moved(0, 0, shift) for part in _support(a, p, x, y, z)]
    if a["stretcher"] == "single":
        reach = max(_stations(a))
        low = 0.4 * y
        path = [(float(x), low, _bend(p, a, float(x))) for x in np.linspace(-reach, reach, 9)]
        parts.append(tube(path, 0.05))
    return parts


def _support(a: Attributes, p: Parameters, x: float, y: float, z: float) -> list[Part]:
    kind, deep = a["supports"], p["depth"]
    if a["variant"] == "pew":
        tall = p["seat_height"] + 0.14
        rear = p["seat_height"] + p["back_height"] + 0.03
        return [
            box((0.06, tall, deep + 0.04), at=(x, tall / 2, 0), radius=0.02, bevels=2),
            box((0.06, rear, 0.13), at=(x, rear / 2, -deep / 2), radius=0.02, bevels=2),
        ]
    if kind == "panels":
        return [box((0.07, y, deep - 0.03), at=(x, y / 2, 0), radius=0.02, bevels=2)]
    if kind == "blocks":
        return [box((0.17, y, deep - 0.05), at=(x, y / 2, 0), radius=0.03, bevels=2)]
    if kind == "loop frames":
        corners = [(x, y, 0.0), (x, y, z), (x, 0.028, z), (x, 0.028, -z), (x, y, -z), (x, y, -0.02)]
        return [tube(rounded_path(corners, 0.05), 0.05)]
    spread = 0.07 if kind == "splayed legs" else 0.0
    rail = box((0.05, 0.05, 2 * z + 0.04), at=(x, y - 0.02, 0))
    return [
        post((x, 0, z + spread), (x, y, z), 0.052, 0.065, kind="square"),
        post((x, 0, -z - spread), (x, y, -z), 0.052, 0.065, kind="square"),
        rail,
    ]


def _arms(a: Attributes, p: Parameters) -> list[Part]:
    x, y, z = _HALF - 0.02, p["seat_height"], p["depth"] / 2
    if a["arms"] == "ring":
        return both_sides(ring(0.09, 0.05, at=(x, y + 0.1, 0.02), axis="x"))
    lean = 0.17 * float(np.tan(np.radians(p["back_tilt"])))
    back = -z - lean + 0.01
    if a["arms"] == "straight":
        return both_sides(
            box((0.06, 0.048, z - back), at=(x, y + 0.15, (z + back) / 2), radius=0.015),
            post((x, y - 0.04, 0.7 * z), (x, y + 0.15, 0.7 * z), 0.05, kind="square"),
        )
    corners = [(x, y + 0.17, back), (x, y + 0.17, 0.35 * z), (x, y + 0.1, 1.05 * z), (x, y - 0.03, 0.8 * z)]
    return both_sides(tube(rounded_path(corners, 0.09), 0.052))
