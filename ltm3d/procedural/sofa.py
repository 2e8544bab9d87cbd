"""Sofas: straight, corner, chaise longue and chesterfield. The sitter looks along +z."""

import numpy as np

from ltm3d.articles import with_article
from ltm3d.procedural.design import COLOURS, Attributes, Description, Design, Parameters, paint, phrase
from ltm3d.procedural.solids import Part, box, cushion, post
from ltm3d.procedural.sweeps import fuselage, rounded_path, tube

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "variant": ("straight", "corner", "chaise", "chesterfield"),
    "colour": tuple(COLOURS),
    "material": ("fabric", "leather"),
    "pillow_colour": ("none", *COLOURS),
    "num_seats": ("two", "three", "four"),
    "seat_cushions": ("single", "separate"),
    "seat_depth": ("shallow", "deep"),
    "arms": ("none", "square", "rolled", "sloped"),
    "arm_height": ("none", "low", "high"),
    "arm_width": ("none", "slim", "wide"),
    "back": ("solid", "cushioned", "channelled"),
    "back_height": ("low", "medium", "high"),
    "back_top": ("straight", "arched"),
    "legs": ("plinth", "block", "tapered", "sled"),
    "leg_height": ("none", "short", "tall"),
    "pillows": ("none", "one", "two"),
    "side": ("none", "left", "right"),
}
_COUNT = {"one": 1, "two": 2, "three": 3, "four": 4}
_BASE = 0.11  # height of the frame under the seat


def draw(design: Design) -> None:
    """Draw one sofa."""
    variant = design.pick("variant", ATTRIBUTES["variant"], (0.38, 0.22, 0.18, 0.22))
    colour = design.colour("colour")
    design.pick("material", ATTRIBUTES["material"], (0.6, 0.4))
    pillows = design.pick("pillows", ATTRIBUTES["pillows"], (0.4, 0.2, 0.4))
    other = design.colour("pillow_colour", other_than=colour)
    design.attributes["pillow_colour"] = "none" if pillows == "none" else other
    seats = {"corner": ("three", "four"), "chaise": ("two",)}.get(variant, ("two", "three", "four"))
    count = _COUNT[design.pick("num_seats", seats)]
    narrow, wide = {2: (0.305, 0.34), 3: (0.255, 0.285), 4: (0.22, 0.245)}[count]
    design.number("seat_width", narrow, wide)
    single = variant == "chaise"
    design.pick(
        "seat_cushions", ("single",) if single else ATTRIBUTES["seat_cushions"], None if single else (0.25, 0.75)
    )
    design.grade("seat_depth", {"shallow": (0.3, 0.33), "deep": (0.38, 0.42)})
    arms = {"chesterfield": ("rolled",), "chaise": ("square", "rolled", "sloped")}.get(variant, ATTRIBUTES["arms"])
    weights = (0.15, 0.35, 0.25, 0.25) if len(arms) == 4 else None
    with_arms = design.pick("arms", arms, weights) != "none"
    low, high = (0.1, 0.13), (0.17, 0.2)
    design.grade("arm_width", {"slim": (0.085, 0.1), "wide": (0.13, 0.16)} if with_arms else {"none": (0.0, 0.0)})
    design.grade("arm_height", {"low": low, "high": high} if with_arms else {"none": (0.0, 0.0)})
    design.pick("back", ("channelled", "solid") if variant == "chesterfield" else ATTRIBUTES["back"])
    design.grade("back_height", {"low": (0.19, 0.22), "medium": (0.26, 0.3), "high": (0.34, 0.4)})
    design.pick("back_top", ATTRIBUTES["back_top"], (0.7, 0.3))
    raised = design.pick("legs", ATTRIBUTES["legs"], (0.2, 0.3, 0.35, 0.15)) != "plinth"
    design.grade("leg_height", {"short": (0.05, 0.065), "tall": (0.1, 0.13)} if raised else {"none": (0.0, 0.0)})
    design.pick("side", ("left", "right") if variant in ("corner", "chaise") else ("none",))
    design.number("cushion_height", 0.1, 0.12)


def describe(attributes: Attributes) -> Description:
    """Return the caption's noun and its details, the most visible first."""
    a, variant = attributes, attributes["variant"]
    noun = {"straight": "sofa", "corner": "corner sofa", "chaise": "chaise longue", "chesterfield": "chesterfield sofa"}
    details = [phrase("no arms" if a["arms"] == "none" else f"{a['arms']} arms", "arms")]
    if a["back_top"] == "arched" and variant != "chaise":
        details.append(phrase(f"an arched {a['back']} back", "back_top", "back"))
    else:
        details.append(phrase(with_article(f"{a['back']} back"), "back"))
    details.append(phrase("no legs" if a["legs"] == "plinth" else f"{a['legs']} legs", "legs"))
    if a["pillows"] != "none":
        details.append(phrase("one pillow" if a["pillows"] == "one" else "two pillows", "pillows"))
    lead = phrase("") if variant == "chaise" else phrase(f"{a['num_seats']}-seat", "num_seats")
    return Description(phrase(noun[variant], "variant"), details, lead)


def build(attributes: Attributes, parameters: Parameters) -> list[Part]:
    """Build the sofa's parts."""
    a, p = attributes, parameters
    colour, material = a["colour"], a["material"]
    body, soft = paint(colour, material), paint(colour, material, 1.12)
    wood = paint("brown" if colour not in ("brown", "black") else "grey", "wooden", 0.9)
    inner = p["seat_width"] * _COUNT[a["num_seats"]]
    full, depth, ground = inner + 2 * p["arm_width"], p["seat_depth"] + 0.1, p["leg_height"]
    top = ground + _BASE
    parts = [box((full, _BASE, depth), at=(0, ground + _BASE / 2, 0), radius=0.02, bevels=2).painted(body)]
    parts += [part.painted(soft) for part in _seat(a, p, inner, top)]
    parts += [part.painted(body) for part in _back(a, p, full, inner, top)]
    parts += [part.painted(body) for part in _arms(a, p, inner, top)]
    feet = _feet(a, p, full / 2, -depth / 2, depth / 2)
    if a["variant"] == "corner":
        long = 0.34 + 0.3 * p["seat_depth"]
        x = inner / 2 - p["seat_width"] / 2 + p["arm_width"] / 2
        wide = p["seat_width"] + p["arm_width"]
        z = depth / 2 + long / 2 - 0.02
        parts.append(box((wide, _BASE, long), at=(x, ground + _BASE / 2, z), radius=0.02, bevels=2).painted(body))
        seat = cushion((wide - 0.01, p["cushion_height"], long), at=(x, top + p["cushion_height"] / 2 - 0.01, z))
        parts.append(seat.painted(soft))
        feet += _feet(a, p, wide / 2, depth / 2 + 0.5 * long, depth / 2 + long - 0.02, middle=x)
    parts += [part.painted(wood) for part in feet]
    if a["pillows"] != "none":
        parts += [part.painted(paint(a["pillow_colour"], "fabric")) for part in _pillows(a, p, inner, top)]
    if a["side"] == "left":
        parts = [part.mirrored() for part in parts]
    return parts


def _seat(a: Attributes, p: Parameters, inner: float, top: float) -> list[Part]:
    count = 1 if a["seat_cushions"] == "single" else _COUNT[a["num_seats"]]
    width, high = inner / count, p["cushion_height"]
    return [
        cushion(
            (width - 0.008, high, p["seat_depth"] + 0.02),
            at=((k + 0.5) * width - inner / 2, top + high / 2 - 0.01, 0.05),
        )
        for k in range(count)
    ]


def _back(a: Attributes, p: Parameters, full: float, inner: float, top: float) -> list[Part]:
    high, z = p["back_height"] + p["cushion_height"], -p["seat_depth"] / 2 - 0.05
    wide = inner + 1.2 * p["arm_width"]
    lean = 5.0
    parts: list[Part] = []
    if a["variant"] == "chaise":
        profile = [(-wide / 2, 0.3 * high), (-0.1 * wide, 0.45 * high), (0.3 * wide, 0.85 * high), (wide / 2, high)]
    elif a["back_top"] == "arched":
        curve = np.linspace(-1.0, 1.0, 9)
        profile = [(float(x) * wide / 2, high * (0.8 + 0.28 * (1.0 - float(x) ** 2))) for x in curve]
    else:
        profile = [(-wide / 2, high), (0.0, high), (wide / 2, high)]
    flat = [(x, y / 2, 0.055, y / 2) for x, y in profile]
    ends = [
        (flat[0][0] - 0.015, flat[0][1], 0.04, flat[0][3] - 0.015),
        *flat,
        (flat[-1][0] + 0.015, flat[-1][1], 0.04, flat[-1][3] - 0.015),
    ]
    parts.append(fuselage(ends, squareness=0.75).turned("y", 90).moved(0, -0.02, 0))
    if a["back"] == "channelled":
        count = max(5, round(inner / 0.09))
        for k in range(count):
            x = (k + 0.5) * inner / count - inner / 2
            tall = float(np.interp(x, [q[0] for q in profile], [q[1] for q in profile]))
            parts.append(box((inner / count, tall - 0.02, 0.1), at=(x, tall / 2, 0.06), radius=0.045))
    if a["back"] == "cushioned":
        count = _COUNT[a["num_seats"]]
        for k in range(count):
            x = (k + 0.5) * inner / count - inner / 2
            tall = float(np.interp(x, [q[0] for q in profile], [q[1] for q in profile])) - p["cushion_height"] + 0.03
            pad = cushion((inner / count - 0.008, tall, 0.1), at=(x, p["cushion_height"] + tall / 2 - 0.02, 0.075))
            parts.append(pad)
    if a["variant"] == "chesterfield":
        roll = np.array([(x, y - 0.01, -0.01) for x, y in profile])
        parts.append(tube(roll, 0.13))
    return [part.moved(0, top, z).turned("x", -lean, about=(0, top, z)) for part in parts]


def _arms(a: Attributes, p: Parameters, inner: float, top: float) -> list[Part]:
    if a["arms"] == "none":
        return []
    wide, depth = p["arm_width"], p["seat_depth"] + 0.1
    high = p["cushion_height"] + p["arm_height"]
    if a["variant"] == "chesterfield" and a["back_top"] == "straight":
        high = p["cushion_height"] + p["back_height"] - 0.01
    if a["variant"] == "chaise":
        high = p["cushion_height"] + p["back_height"] - 0.02
    x = inner / 2 + wide / 2
    if a["arms"] == "square":
        parts = [box((wide, high + 0.06, depth), at=(x, top + high / 2 - 0.03, 0), radius=0.025, bevels=2)]
    elif a["arms"] == "rolled":
        roll = 1.25 * wide
        parts = [
            box((0.85 * wide, high, depth - 0.02), at=(x, top + high / 2 - 0.05, 0), radius=0.02),
            tube([(x, top + high - roll / 2, -depth / 2), (x, top + high - roll / 2, depth / 2 + 0.01)], roll),
        ]
    else:
        stations = []
        for share in (0.0, 0.04, 0.25, 0.5, 0.75, 0.96, 1.0):
            tall = high * (1.15 - 0.6 * share) + 0.05
            rim = 0.8 if share in (0.0, 1.0) else 1.0
            stations.append((depth * (share - 0.5), top - 0.05 + tall / 2, rim * wide / 2, rim * tall / 2))
        parts = [fuselage(stations, squareness=0.85).moved(x)]
    if a["variant"] == "chaise":
        return parts
    return [*parts, *(part.mirrored() for part in parts)]


def _feet(a: Attributes, p: Parameters, half: float, back: float, front: float, *, middle: float = 0.0) -> list[Part]:
    high, kind = p["leg_height"], a["legs"]
    if kind == "plinth":
        return []
    x, feet = half - 0.05, []
    for side in (-x, x):
        if kind == "sled":
            corners = [
                (side, high + 0.02, back + 0.05),
                (side, 0.025, back + 0.05),
                (side, 0.025, front - 0.05),
                (side, high + 0.02, front - 0.05),
            ]
            feet.append(tube(rounded_path(corners, 0.05), 0.045, kind="square"))
            continue
        for z in (back + 0.05, front - 0.05):
            if kind == "block":
                feet.append(box((0.075, high + 0.04, 0.075), at=(side, high / 2 + 0.01, z)))
            else:
                feet.append(
                    post((side * 1.06, 0, z + 0.1 * (z - (front + back) / 2)), (side, high + 0.03, z), 0.038, 0.07)
                )
    return [foot.moved(middle) for foot in feet]


def _pillows(a: Attributes, p: Parameters, inner: float, top: float) -> list[Part]:
    size = 0.2
    y, z = top + p["cushion_height"] + size / 2 - 0.03, -p["seat_depth"] / 2 + 0.12
    sides = (1.0,) if a["pillows"] == "one" or a["variant"] == "chaise" else (1.0, -1.0)
    pillows = []
    for side in sides:
        pillow = cushion((size, size, 0.085), softness=0.48).turned("x", -20).turned("y", -18.0 * side)
        pillows.append(pillow.moved(side * (inner / 2 - 0.1), y, z))
    if a["pillows"] == "two" and a["variant"] == "chaise":
        pillows.append(cushion((size, size, 0.085), softness=0.48).turned("x", -20).moved(inner / 2 - 0.28, y, z))
    return pillows
