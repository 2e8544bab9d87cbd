"""Tables: legged, pedestal, trestle and desk."""

from itertools import pairwise

import numpy as np

from ltm3d.articles import with_article
from ltm3d.procedural.design import COLOURS, Attributes, Description, Design, Parameters, paint, phrase
from ltm3d.procedural.solids import Part, both_sides, box, post, section, slab
from ltm3d.procedural.sweeps import disc, lathe, tube

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "variant": ("legged", "pedestal", "trestle", "desk"),
    "colour": tuple(COLOURS),
    "material": ("wooden", "metal", "plastic", "stone"),
    "base_colour": tuple(COLOURS),
    "top_shape": ("rectangular", "square", "round", "oval", "hexagonal"),
    "top_thickness": ("thin", "thick"),
    "top_edge": ("straight", "rounded"),
    "height": ("low", "medium", "tall"),
    "num_legs": ("none", "three", "four", "six"),
    "leg_shape": ("none", "straight", "tapered", "turned", "splayed"),
    "leg_section": ("none", "round", "square"),
    "base": ("legs", "disc", "cross", "cone", "A-frames", "T-frames", "cabinets"),
    "apron": ("none", "deep"),
    "shelf": ("none", "lower"),
    "stretcher": ("none", "cross", "single"),
    "drawers": ("none", "two", "three", "six"),
    "overhang": ("none", "wide"),
}
_HEIGHTS = {"low": (0.34, 0.4), "medium": (0.54, 0.62), "tall": (0.8, 0.92)}


def draw(design: Design) -> None:
    """Draw one table."""
    variant = design.pick("variant", ATTRIBUTES["variant"], (0.42, 0.26, 0.16, 0.16))
    colour = design.colour("colour")
    design.pick("material", ATTRIBUTES["material"], (0.45, 0.2, 0.2, 0.15))
    two_tone = design.rng.random() < 0.6
    other = design.colour("base_colour", other_than=colour)
    design.attributes["base_colour"] = other if two_tone else colour
    shapes = {"pedestal": ("round", "square", "oval", "hexagonal"), "legged": ATTRIBUTES["top_shape"]}
    shape = design.pick("top_shape", shapes.get(variant, ("rectangular",)))
    design.number("length", 0.94, 1.0)
    if shape in ("rectangular", "oval"):
        design.number("width", 0.52, 0.64)
    else:
        design.parameters["length"] = design.parameters["width"] = round(0.8 * design.parameters["length"], 4)
    design.grade("top_thickness", {"thin": (0.05, 0.058), "thick": (0.085, 0.105)})
    design.pick("top_edge", ATTRIBUTES["top_edge"])
    heights = {name: _HEIGHTS[name] for name in (("low", "medium", "tall") if variant != "desk" else ("medium",))}
    design.grade("height", heights)
    legged = variant == "legged"
    counts = {
        "rectangular": ("four", "six"),
        "oval": ("four", "six"),
        "square": ("four",),
        "round": ("three", "four"),
        "hexagonal": ("three", "six"),
    }
    design.pick("num_legs", counts[shape] if legged else ("none",), (0.75, 0.25) if len(counts[shape]) == 2 else None)
    design.pick("leg_shape", ATTRIBUTES["leg_shape"][1:] if legged else ("none",))
    turned = design.attributes["leg_shape"] == "turned"
    design.pick("leg_section", ("none",) if not legged else ("round",) if turned else ("round", "square"))
    bases = {
        "legged": ("legs",),
        "pedestal": ("disc", "cross", "cone"),
        "trestle": ("A-frames", "T-frames"),
        "desk": ("cabinets",),
    }
    design.pick("base", bases[variant])
    with_apron = legged and shape in ("rectangular", "square")
    design.pick("apron", ATTRIBUTES["apron"] if with_apron else ("none",))
    design.pick("shelf", ATTRIBUTES["shelf"] if legged else ("none",), (0.65, 0.35) if legged else None)
    crossing = {"legged": ("none", "cross"), "trestle": ("single",)}.get(variant, ("none",))
    if (legged and design.attributes["num_legs"] != "four") or design.attributes["shelf"] == "lower":
        crossing = ("none",)
    design.pick("stretcher", crossing, (0.7, 0.3) if len(crossing) == 2 else None)
    design.pick("drawers", ("two", "three", "six") if variant == "desk" else ("none",))
    design.pick("overhang", ATTRIBUTES["overhang"] if legged else ("none",))
    design.number("leg_width", 0.062, 0.08)


def describe(attributes: Attributes) -> Description:
    """Return the caption's noun and its details, the most visible first."""
    a, variant = attributes, attributes["variant"]
    noun = {"legged": "table", "pedestal": "pedestal table", "trestle": "trestle table", "desk": "desk table"}[variant]
    if variant == "desk":
        details = [
            phrase(f"{a['drawers']} drawers", "drawers"),
            phrase(with_article(f"{a['top_thickness']} top"), "top_thickness"),
            phrase(f"{a['base_colour']} fronts", "base_colour"),
        ]
        return Description(phrase(noun, "variant"), details)
    lead = phrase("medium-height" if a["height"] == "medium" else a["height"], "height")
    details = [phrase(with_article(f"{a['top_shape']} top"), "top_shape")]
    if variant == "legged":
        details.append(phrase(f"{a['num_legs']} {a['leg_shape']} legs", "num_legs", "leg_shape"))
    elif variant == "pedestal":
        details.append(phrase(with_article(f"{a['base_colour']} {a['base']} base"), "base_colour", "base"))
    else:
        details.append(phrase(f"two {a['base_colour']} {a['base']}", "base_colour", "base"))
    return Description(phrase(noun, "variant"), details, lead)


def build(attributes: Attributes, parameters: Parameters) -> list[Part]:
    """Build the table's parts."""
    a, p = attributes, parameters
    top_paint = paint(a["colour"], a["material"])
    base_material = "wooden" if a["material"] == "stone" else a["material"]
    base_paint = paint(a["base_colour"], base_material, 0.9)
    thickness = p["top_thickness"]
    bevel = 0.45 * thickness if a["top_edge"] == "rounded" else 0.01
    plate = slab(_outline(a, p, 1.0), thickness, at=(0, p["height"] - thickness / 2, 0), bevel=bevel)
    parts = [plate.painted(top_paint)]
    if a["variant"] == "legged":
        parts += [part.painted(base_paint) for part in _legs(a, p)]
        if a["shelf"] == "lower":
            height = 0.3 * p["height"]
            parts.append(slab(_outline(a, p, _inset(a) + 0.03), 0.05, at=(0, height, 0)).painted(top_paint))
        if a["apron"] == "deep":
            size = (2 * _inset(a) * p["length"] / 2, 0.09, 2 * _inset(a) * p["width"] / 2)
            parts.append(box(size, at=(0, p["height"] - thickness - 0.035, 0)).painted(base_paint))
    elif a["variant"] == "pedestal":
        parts += [part.painted(base_paint) for part in _pedestal(a, p)]
    elif a["variant"] == "trestle":
        parts += [part.painted(base_paint) for part in _trestle(a, p)]
    else:
        parts += _desk(a, p)
    return parts


def _outline(a: Attributes, p: Parameters, scale: float) -> np.ndarray:
    half = np.array([p["length"], p["width"]]) * (scale / 2)
    if a["top_shape"] in ("round", "oval"):
        return section("round", 48) * half
    if a["top_shape"] == "hexagonal":
        corner = np.radians(60.0 * np.arange(7))
        corners = np.stack([np.cos(corner), np.sin(corner)], axis=1)
        share = np.arange(8)[:, None] / 8
        edges = [start * (1 - share) + end * share for start, end in pairwise(corners)]
        return np.concatenate(edges) * half
    square = section("square", 40)
    corner_size = 0.08 if a["top_edge"] == "rounded" else 0.03
    rounded = np.sign(square) * (half - corner_size) + (square - 0.72 * np.sign(square)) / 0.28 * corner_size
    return rounded


def _inset(a: Attributes) -> float:
    inset = 0.72 if a["overhang"] == "wide" else 0.88
    return inset * {"round": 0.92, "oval": 0.92, "hexagonal": 0.95}.get(a["top_shape"], 1.0)


def _legs(a: Attributes, p: Parameters) -> list[Part]:
    width, shape, kind = p["leg_width"], a["leg_shape"], a["leg_section"]
    x, z = (_inset(a) * size / 2 for size in (p["length"], p["width"]))
    if a["top_shape"] in ("round", "hexagonal"):
        count = {"three": 3, "four": 4, "six": 6}[a["num_legs"]]
        offset = 0.0 if a["top_shape"] == "hexagonal" else 45.0 if count == 4 else 90.0
        angle = np.radians(offset + 360.0 / count * np.arange(count))
        reach = x * 0.86
        feet = [(reach * float(np.cos(t)), reach * float(np.sin(t))) for t in angle]
    else:
        near = 0.68 if a["top_shape"] == "oval" else 1.0
        corner_x, corner_z = x * near - width * 0.3, z * near - width * 0.3
        feet = [(sx * corner_x, sz * corner_z) for sx in (-1, 1) for sz in (-1, 1)]
        if a["num_legs"] == "six":
            feet += [(0.0, -z + width * 0.3), (0.0, z - width * 0.3)]
    top = p["height"] - 0.4 * p["top_thickness"]
    parts = []
    for foot_x, foot_z in feet:
        if shape == "turned":
            profile = [
                (0.45, 0.0),
                (0.55, 0.06),
                (0.4, 0.12),
                (0.5, 0.3),
                (0.75, 0.45),
                (0.5, 0.58),
                (0.7, 0.64),
                (0.45, 0.7),
                (0.7, 0.8),
                (0.75, 1.0),
            ]
            parts.append(lathe([(r * width, y * top) for r, y in profile], at=(foot_x, 0, foot_z), segments=20))
            continue
        spread = 0.16 if shape == "splayed" else 0.0
        low, high = {"straight": (1.0, 1.0), "tapered": (0.6, 1.25), "splayed": (0.8, 1.0)}[shape]
        bottom = (foot_x * (1 + spread), 0.0, foot_z * (1 + spread))
        parts.append(post(bottom, (foot_x, top, foot_z), low * width, high * width, kind=kind))
    if a["stretcher"] == "cross":
        y = 0.25 * p["height"]
        ends = [(foot_x, y, foot_z) for foot_x, foot_z in feet]
        order = sorted(ends)
        parts += [tube([order[0], order[3]], 0.052), tube([order[1], order[2]], 0.05)]
    return parts


def _pedestal(a: Attributes, p: Parameters) -> list[Part]:
    top, reach = p["height"] - 0.4 * p["top_thickness"], 0.33 * p["width"]
    if a["base"] == "cone":
        cone = lathe(
            [(0.0, 0.0), (reach, 0.0), (reach, 0.03), (0.07, 0.55 * top), (0.06, 0.7 * top), (0.14, top), (0.0, top)]
        )
        return [cone]
    column = post((0, 0.02, 0), (0, top, 0), 0.12, 0.1)
    collar = post((0, top - 0.08, 0), (0, top, 0), 0.12, 0.3)
    if a["base"] == "disc":
        return [
            column,
            collar,
            disc(reach, 0.06, at=(0, 0.03, 0), bevel=0.02),
            post((0, 0.04, 0), (0, 0.12, 0), 0.28, 0.12),
        ]
    feet = []
    for turn in range(4):
        foot = tube(
            [(0, 0.14, 0), (0, 0.12, 0.12), (0, 0.04, reach + 0.06)], np.array([0.09, 0.08, 0.065]), kind="square"
        )
        feet.append(foot.turned("y", 45.0 + 90.0 * turn))
    return [column, collar, *feet]


def _trestle(a: Attributes, p: Parameters) -> list[Part]:
    x, z, top = 0.36 * p["length"], 0.42 * p["width"], p["height"] - 0.5 * p["top_thickness"]
    width = 1.05 * p["leg_width"]
    if a["base"] == "A-frames":
        frame = [
            post((x, 0, z), (x, top, 0.3 * z), width, kind="square"),
            post((x, 0, -z), (x, top, -0.3 * z), width, kind="square"),
            box((0.055, 0.06, 1.5 * z), at=(x, 0.3 * top, 0)),
            box((0.09, 0.06, 1.5 * z), at=(x, top - 0.03, 0)),
        ]
    else:
        frame = [
            box((0.09, 0.07, 2 * z), at=(x, 0.035, 0), radius=0.02),
            box((0.09, 0.07, 1.7 * z), at=(x, top - 0.035, 0)),
            box((0.08, top, 0.16), at=(x, top / 2, 0)),
        ]
    return [*both_sides(*frame), box((2 * x, 0.075, 0.055), at=(0, 0.32 * top, 0))]


def _desk(a: Attributes, p: Parameters) -> list[Part]:
    body = paint(a["colour"], a["material"], 0.85)
    front = paint(a["base_colour"], "wooden" if a["material"] == "stone" else a["material"])
    top, deep = p["height"] - 0.5 * p["top_thickness"], 0.86 * p["width"]
    x, wide = 0.33 * p["length"], 0.27 * p["length"]
    parts = both_sides(box((wide, top, deep), at=(x, top / 2, 0), radius=0.012).painted(body))
    if a["drawers"] == "three":  # one cabinet with drawers, a plain panel on the other side
        parts = [parts[0], box((0.07, top, deep), at=(-0.44 * p["length"], top / 2, 0)).painted(body)]
    sides = (x, -x) if a["drawers"] != "three" else (x,)
    rows = 1 if a["drawers"] == "two" else 3
    high = (top - 0.06) / rows
    for side in sides:
        for row in range(rows):
            y = 0.04 + (row + 0.5) * high
            parts.append(box((wide - 0.04, high - 0.03, 0.05), at=(side, y, deep / 2), radius=0.015).painted(front))
            parts.append(box((0.1, 0.035, 0.045), at=(side, y, deep / 2 + 0.035), radius=0.012, bevels=2).painted(body))
    parts.append(box((2 * x, 0.55 * top, 0.055), at=(0, 0.68 * top, -0.4 * deep)).painted(body))
    return parts
