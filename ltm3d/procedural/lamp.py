"""Lamps: floor, table, desk-arm and pendant."""

import numpy as np

from ltm3d.articles import with_article
from ltm3d.procedural.design import COLOURS, Attributes, Description, Design, Parameters, paint, phrase
from ltm3d.procedural.solids import Part, box, post
from ltm3d.procedural.sweeps import ball, disc, lathe, lathe_shell, ring, rounded_path, tube

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "variant": ("floor", "table", "desk-arm", "pendant"),
    "colour": tuple(COLOURS),
    "material": ("metal", "wooden", "plastic"),
    "shade_colour": tuple(COLOURS),
    "shade_shape": ("cone", "drum", "dome", "globe"),
    "shade_size": ("small", "large"),
    "shade_height": ("none", "short", "tall"),
    "shade_trim": ("plain", "banded"),
    "num_shades": ("one", "two", "three"),
    "bulb": ("hidden", "visible"),
    "stem": ("straight", "arched", "jointed", "none"),
    "stem_thickness": ("slim", "thick"),
    "stem_ornament": ("none", "ball", "collar"),
    "base": ("round", "square", "tripod", "canopy"),
    "base_size": ("small", "large"),
    "body": ("none", "gourd", "column", "urn", "stacked balls"),
    "finial": ("none", "ball"),
    "height": ("short", "tall"),
}


def draw(design: Design) -> None:
    """Draw one lamp."""
    variant = design.pick("variant", ATTRIBUTES["variant"], (0.3, 0.3, 0.2, 0.2))
    colour = design.colour("colour")
    design.pick("material", ATTRIBUTES["material"], (0.5, 0.25, 0.25))
    design.colour("shade_colour", other_than=colour)
    arched = (
        design.pick(
            "stem",
            {"floor": ("straight", "arched"), "desk-arm": ("jointed",), "pendant": ("straight",)}.get(
                variant, ("none",)
            ),
            (0.65, 0.35) if variant == "floor" else None,
        )
        == "arched"
    )
    counts = {"pendant": ("one", "two", "three"), "floor": ("one",) if arched else ("one", "two")}.get(
        variant, ("one",)
    )
    several = design.pick("num_shades", counts, (0.6, 0.4) if len(counts) == 2 else None) != "one"
    shapes = {"desk-arm": ("cone", "dome"), "table": ("cone", "drum", "dome")}.get(variant, ATTRIBUTES["shade_shape"])
    hanging = several or variant == "pendant"
    shapes = ("cone", "dome", "globe") if hanging else shapes
    shape = design.pick("shade_shape", shapes, (0.2, 0.5, 0.3) if hanging else None)
    shrink = {"floor": 1.1, "table": 1.15, "desk-arm": 0.8, "pendant": 1.4}[variant] * (0.72 if several else 1.0)
    small, large = (0.155, 0.175), (0.215, 0.25)
    design.grade("shade_size", {"small": small, "large": large})
    design.parameters["shade_size"] = round(design.parameters["shade_size"] * shrink, 4)
    tall_names = {"none": (1.0, 1.0)} if shape == "globe" else {"short": (0.95, 1.05), "tall": (1.35, 1.5)}
    design.grade("shade_height", tall_names)
    banded = shape in ("cone", "drum") and variant != "pendant"
    design.pick("shade_trim", ATTRIBUTES["shade_trim"] if banded else ("plain",))
    design.pick("bulb", ("hidden",) if shape == "globe" else ATTRIBUTES["bulb"])
    slim, thick = ((0.042, 0.046), (0.056, 0.062)) if variant == "pendant" else ((0.05, 0.055), (0.07, 0.08))
    design.grade("stem_thickness", {"slim": slim, "thick": thick})
    design.pick("stem_ornament", ATTRIBUTES["stem_ornament"] if variant == "floor" and not arched else ("none",))
    bases = {"floor": ("round", "square") if arched else ("round", "square", "tripod"), "pendant": ("canopy",)}
    base = design.pick("base", bases.get(variant, ("round", "square")))
    sizes = {"small": (0.125, 0.145), "large": (0.18, 0.21)}
    design.grade("base_size", {"large": (0.22, 0.25)} if arched or base == "tripod" else sizes)
    design.pick("body", ATTRIBUTES["body"][1:] if variant == "table" else ("none",))
    finial = variant in ("table", "floor") and shape in ("cone", "drum") and not arched and not several
    design.pick("finial", ATTRIBUTES["finial"] if finial else ("none",))
    heights = {
        "floor": {"short": (0.78, 0.84), "tall": (0.98, 1.06)},
        "table": {"short": (0.26, 0.3), "tall": (0.38, 0.44)},
        "desk-arm": {"short": (0.52, 0.58), "tall": (0.7, 0.78)},
        "pendant": {"short": (0.3, 0.36), "tall": (0.52, 0.6)},
    }[variant]
    design.grade("height", heights)
    design.number("body_width", 0.13, 0.17)
    design.number("arm_angle", 48.0, 62.0)


def describe(attributes: Attributes) -> Description:
    """Return the caption's noun and its details, the most visible first."""
    a, variant = attributes, attributes["variant"]
    noun = {"floor": "floor lamp", "table": "table lamp", "desk-arm": "desk lamp", "pendant": "pendant lamp"}[variant]
    lead = phrase("arched", "stem") if a["stem"] == "arched" else phrase("")
    words = f"{a['shade_size']} {a['shade_shape']} shade"
    if a["num_shades"] == "one":
        details = [phrase(with_article(words), "shade_size", "shade_shape")]
    else:
        details = [phrase(f"{a['num_shades']} {words}s", "shade_size", "shade_shape", "num_shades")]
    if variant == "table":
        body = "body of stacked balls" if a["body"] == "stacked balls" else f"{a['body']} body"
        details.append(phrase(with_article(f"{a['height']} {body}"), "height", "body"))
    elif variant == "pendant":
        details.append(phrase(with_article(f"{a['height']} stem"), "height"))
    else:
        details.append(phrase(with_article(f"{a['base']} base"), "base"))
        if a["stem_ornament"] != "none":
            details.append(phrase(f"a {a['stem_ornament']} on the stem", "stem_ornament"))
    return Description(phrase(noun, "variant"), details, lead)


def build(attributes: Attributes, parameters: Parameters) -> list[Part]:
    """Build the lamp's parts."""
    maker = {"floor": _floor, "table": _table, "desk-arm": _desk, "pendant": _pendant}[attributes["variant"]]
    return maker(attributes, parameters)


def _body_paint(a: Attributes, brightness: float = 1.0) -> tuple[int, int, int]:
    return paint(a["colour"], a["material"], brightness)


def _shade(a: Attributes, p: Parameters) -> list[Part]:
    """Make the shade with its holder: it opens downwards, the stem meets it at the origin, near its top."""
    radius, tall, shape = p["shade_size"], p["shade_size"] * p["shade_height"], a["shade_shape"]
    colour = paint(a["shade_colour"], "fabric" if a["shade_shape"] in ("cone", "drum") else "plastic")
    wall = 0.045
    if shape == "globe":
        return [ball(radius, at=(0, -0.8 * radius, 0)).painted(colour)]
    if shape == "dome":
        angle = np.linspace(0.0, np.pi / 2, 8)
        outer = [(radius * float(np.cos(t)), -tall + tall * float(np.sin(t))) for t in angle[:-1]] + [(0.0, 0.0)]
        inner = [((radius - wall) * float(np.cos(t)), -tall + (tall - wall) * float(np.sin(t))) for t in angle[:-1]]
        shell = lathe([(0.0, -wall), *inner[::-1], *outer])
        parts = [shell.painted(colour)]
    else:
        upper = radius * (0.5 if shape == "cone" else 0.97)
        profile = [(radius - (radius - upper) * t, -tall + tall * t) for t in (0.0, 0.03, 0.25, 0.5, 0.75, 0.97, 1.0)]
        parts = [lathe_shell(profile, wall).painted(colour), disc(upper - 0.01, 0.04, at=(0, -0.06, 0)).painted(colour)]
        if a["shade_trim"] == "banded":
            band = _body_paint(a)
            parts.append(ring(radius - 0.015, 0.055, at=(0, 0.02 - tall, 0)).painted(band))
            parts.append(ring(upper - 0.015, 0.05, at=(0, -0.01, 0)).painted(band))
        if a["finial"] == "ball":
            parts.append(ball(0.038, at=(0, 0.03, 0)).painted(_body_paint(a)))
            parts.append(post((0, -0.06, 0), (0, 0.03, 0), 0.04).painted(_body_paint(a)))
    drop = -tall - 0.02 if a["bulb"] == "visible" else -0.6 * tall
    bulb = ball(min(0.06, 0.42 * radius), at=(0, drop, 0)).painted(paint("yellow", "plastic", 1.15))
    return [*parts, bulb, post((0, drop, 0), (0, -0.03, 0), 0.05).painted(_body_paint(a))]


def _base(a: Attributes, p: Parameters) -> list[Part]:
    radius, color = p["base_size"], _body_paint(a, 0.85)
    if a["base"] == "square":
        plate = box((1.8 * radius, 0.06, 1.8 * radius), at=(0, 0.03, 0), radius=0.015)
    else:
        plate = disc(radius, 0.06, at=(0, 0.03, 0), bevel=0.02)
    return [plate.painted(color), post((0, 0.05, 0), (0, 0.11, 0), 0.14, 0.07).painted(color)]


def _floor(a: Attributes, p: Parameters) -> list[Part]:
    tall, stem, color = p["height"], p["stem_thickness"], _body_paint(a)
    if a["stem"] == "arched":
        reach = 0.42
        bend = [
            (-reach * 0.6, 0.05, 0),
            (-reach * 0.6, 0.6 * tall, 0),
            (-reach * 0.35, tall, 0),
            (0.25 * reach, tall * 1.02, 0),
            (0.62 * reach, 0.97 * tall, 0),
            (reach * 0.72, 0.8 * tall, 0),
        ]
        pole = tube(rounded_path(bend, 0.2), stem).painted(color)
        shade = [part.moved(reach * 0.72, 0.82 * tall) for part in _shade(a, p)]
        return [pole, *shade, *(part.moved(-reach * 0.6) for part in _base(a, p))]
    parts: list[Part] = []
    if a["base"] == "tripod":
        knot = 0.5 * tall
        parts.append(post((0, knot - 0.05, 0), (0, tall, 0), stem).painted(color))
        parts.append(ball(0.055, at=(0, knot, 0)).painted(color))
        for leg in range(3):
            foot = post((0, 0, 1.15 * p["base_size"]), (0, knot, 0.015), 0.05, 0.055).turned("y", 60.0 + 120.0 * leg)
            parts.append(foot.painted(_body_paint(a, 0.85)))
    else:
        parts += [post((0, 0.04, 0), (0, tall, 0), stem).painted(color), *_base(a, p)]
    middle = 0.55 * tall if a["base"] != "tripod" else 0.62 * tall
    if a["stem_ornament"] == "ball":
        parts.append(ball(0.075, at=(0, middle, 0)).painted(_body_paint(a, 0.85)))
    if a["stem_ornament"] == "collar":
        parts.append(disc(0.08, 0.05, at=(0, middle, 0), bevel=0.02).painted(_body_paint(a, 0.85)))
    if a["num_shades"] == "one":
        return parts + [part.moved(0, tall) for part in _shade(a, p)]
    span = p["shade_size"] + 0.07
    bar = tube(
        rounded_path([(-span, tall, 0), (-span, tall - 0.08, 0), (span, tall - 0.08, 0), (span, tall, 0)], 0.06), 0.05
    )
    up = [part.turned("x", 180).moved(0, 0.94 * tall - 0.05) for part in _shade(a, p)]
    parts.append(bar.painted(color))
    for x in (-span, span):
        parts += [part.moved(x, 0.06) for part in up]
    return parts


def _table(a: Attributes, p: Parameters) -> list[Part]:
    tall, wide = p["height"], p["body_width"]
    foot = 0.06
    if a["body"] == "stacked balls":
        count = 2 if a["height"] == "short" else 3
        radius = (tall - 0.02) / count / 1.82
        bodies = [ball(radius, at=(0, foot + radius * (0.92 + 1.82 * k), 0)) for k in range(count)]
    else:
        shapes = {
            "gourd": [
                (0.5, 0.0),
                (0.95, 0.12),
                (1.0, 0.25),
                (0.8, 0.42),
                (0.45, 0.52),
                (0.5, 0.66),
                (0.55, 0.78),
                (0.35, 0.94),
                (0.22, 1.0),
            ],
            "column": [(0.62, 0.0), (0.62, 0.08), (0.48, 0.12), (0.45, 0.5), (0.48, 0.88), (0.62, 0.92), (0.62, 1.0)],
            "urn": [(0.4, 0.0), (0.35, 0.1), (0.6, 0.3), (0.9, 0.6), (1.0, 0.75), (0.85, 0.9), (0.4, 0.97), (0.3, 1.0)],
        }
        profile = [(r * wide, foot - 0.01 + y * tall) for r, y in shapes[a["body"]]]
        bodies = [lathe(profile)]
    shade_tall = p["shade_size"] * (p["shade_height"] if a["shade_shape"] != "globe" else 1.75)
    top = foot + tall + 0.05 + shade_tall
    parts = [body.painted(_body_paint(a)) for body in bodies]
    parts.append(post((0, foot + 0.8 * tall, 0), (0, top, 0), 0.055).painted(_body_paint(a, 0.8)))
    return parts + _base(a, p)[:1] + [part.moved(0, top) for part in _shade(a, p)]


def _desk(a: Attributes, p: Parameters) -> list[Part]:
    tall, stem, color = p["height"], p["stem_thickness"], _body_paint(a)
    slope = np.radians(p["arm_angle"])
    lower = 0.55 * tall
    elbow = (0.0, 0.08 + lower * float(np.sin(slope)), -lower * float(np.cos(slope)))
    upper = 0.5
    head = (0.0, elbow[1] + upper * 0.55, elbow[2] + upper * 0.83)
    parts = [
        tube([(0, 0.06, 0), elbow], stem),
        tube([elbow, head], stem),
        ball(0.05, at=elbow),
        ball(0.055, at=(0, 0.09, 0)),
    ]
    parts.append(ball(0.05, at=head))
    shade = [part.turned("x", -38.0).moved(*head) for part in _shade(a, p)]
    return [part.painted(color) for part in parts] + shade + _base(a, p)[:1]


def _pendant(a: Attributes, p: Parameters) -> list[Part]:
    drop, stem, color = p["height"], p["stem_thickness"], _body_paint(a)
    count = {"one": 1, "two": 2, "three": 3}[a["num_shades"]]
    shade_tall = p["shade_size"] * (p["shade_height"] if a["shade_shape"] != "globe" else 1.75)
    top = shade_tall + drop
    parts: list[Part] = []
    pitch = 2 * p["shade_size"] + 0.06
    if count == 1:
        parts.append(disc(p["base_size"], 0.06, at=(0, top, 0), bevel=0.02).painted(_body_paint(a, 0.85)))
    else:
        length = pitch * (count - 1) + 2 * 0.07
        parts.append(
            box((length, 0.06, 0.8 * p["base_size"]), at=(0, top, 0), radius=0.02, bevels=2).painted(
                _body_paint(a, 0.85)
            )
        )
    for k in range(count):
        x = pitch * (k - (count - 1) / 2)
        parts.append(post((x, shade_tall - 0.02, 0), (x, top, 0), stem * (1.0 if count < 3 else 1.25)).painted(color))
        parts += [part.moved(x, shade_tall) for part in _shade(a, p)]
    return parts
