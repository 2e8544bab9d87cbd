"""Chairs: four-legged, swivel, cantilever and rocking. The sitter looks along +z."""

import numpy as np

from ltm3d.articles import with_article
from ltm3d.procedural.design import COLOURS, Attributes, Description, Design, Parameters, paint, phrase
from ltm3d.procedural.solids import Part, both_sides, box, post, section, slab
from ltm3d.procedural.sweeps import disc, ring, rounded_path, tube

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "variant": ("four-legged", "swivel", "cantilever", "rocking"),
    "colour": tuple(COLOURS),
    "material": ("wooden", "metal", "plastic"),
    "seat_colour": tuple(COLOURS),
    "back": ("solid", "slatted", "ladder", "ring"),
    "back_height": ("low", "medium", "high"),
    "back_tilt": ("upright", "reclined"),
    "arms": ("none", "open", "closed"),
    "seat_shape": ("square", "round", "tapered"),
    "seat_padding": ("bare", "cushioned"),
    "seat_height": ("low", "medium", "high"),
    "width": ("narrow", "medium", "wide"),
    "base": ("legs", "five-star", "disc", "sled", "rockers"),
    "leg_shape": ("none", "straight", "tapered", "splayed"),
    "leg_section": ("none", "round", "square"),
    "stretcher": ("none", "box", "H-shaped"),
    "crest": ("plain", "overhanging"),
}


def draw(design: Design) -> None:
    """Draw one chair."""
    variant = design.pick("variant", ATTRIBUTES["variant"], (0.4, 0.22, 0.2, 0.18))
    colour = design.colour("colour")
    design.pick("material", ATTRIBUTES["material"], (0.5, 0.25, 0.25))
    padded = design.pick("seat_padding", ATTRIBUTES["seat_padding"]) == "cushioned"
    other = design.colour("seat_colour", other_than=colour)
    design.attributes["seat_colour"] = other if padded else colour
    design.pick("back", ATTRIBUTES["back"])
    design.grade("back_height", {"low": (0.26, 0.32), "medium": (0.38, 0.46), "high": (0.54, 0.66)})
    tilt = design.pick("back_tilt", ATTRIBUTES["back_tilt"])
    design.number("back_angle", *((1.0, 5.0) if tilt == "upright" else (12.0, 18.0)))
    design.pick("arms", ATTRIBUTES["arms"], (0.5, 0.3, 0.2))
    design.pick("seat_shape", ATTRIBUTES["seat_shape"] if variant in ("four-legged", "swivel") else ("square",))
    design.grade("seat_height", {"low": (0.32, 0.36), "medium": (0.41, 0.46), "high": (0.53, 0.6)})
    design.grade("width", {"narrow": (0.4, 0.44), "medium": (0.48, 0.54), "wide": (0.6, 0.68)})
    design.number("depth", 0.44, 0.52)
    bases = {
        "four-legged": ("legs",),
        "swivel": ("five-star", "disc"),
        "cantilever": ("sled",),
        "rocking": ("rockers",),
    }
    design.pick("base", bases[variant])
    legged = variant in ("four-legged", "rocking")
    design.pick("leg_shape", ATTRIBUTES["leg_shape"][1:] if legged else ("none",))
    design.pick("leg_section", ATTRIBUTES["leg_section"][1:] if legged else ("none",))
    design.pick("stretcher", ATTRIBUTES["stretcher"] if variant == "four-legged" else ("none",))
    design.pick("crest", ATTRIBUTES["crest"])
    design.number("leg_width", 0.055, 0.068)
    design.number("seat_thickness", 0.06, 0.08)


def describe(attributes: Attributes) -> Description:
    """Return the caption's noun and its details, the most visible first."""
    variant, back = attributes["variant"], attributes["back"]
    noun = "chair" if variant == "four-legged" else f"{variant} chair"
    details = []
    if variant == "four-legged":
        details.append(phrase(f"four {attributes['leg_shape']} legs", "leg_shape"))
    if variant == "swivel":
        details.append(phrase(with_article(f"{attributes['base']} base"), "base"))
    details.append(phrase(with_article(f"{attributes['back_height']} {back} back"), "back_height", "back"))
    if attributes["arms"] != "none":
        details.append(phrase(f"{attributes['arms']} armrests", "arms"))
    if attributes["seat_padding"] == "cushioned":
        details.append(phrase("a cushioned seat", "seat_padding"))
    return Description(phrase(noun, "variant"), details)


def build(attributes: Attributes, parameters: Parameters) -> list[Part]:
    """Build the chair's parts."""
    frame = paint(attributes["colour"], attributes["material"])
    darker = paint(attributes["colour"], attributes["material"], 0.8)
    parts = [part.painted(frame) for part in _seat(attributes, parameters)]
    if attributes["seat_padding"] == "cushioned":
        parts.append(_padding(attributes, parameters).painted(paint(attributes["seat_colour"], "fabric")))
    parts += [part.painted(frame) for part in _back(attributes, parameters)]
    if attributes["arms"] != "none":
        parts += [part.painted(darker) for part in _arms(attributes, parameters)]
    base = {"legs": _legs, "rockers": _rockers, "sled": _sled, "five-star": _pedestal, "disc": _pedestal}
    return parts + [part.painted(darker) for part in base[attributes["base"]](attributes, parameters)]


def _outline(attributes: Attributes, p: Parameters, grow: float) -> np.ndarray:
    half = np.array([p["width"] / 2, p["depth"] / 2]) + grow
    if attributes["seat_shape"] == "round":
        return section("round", 32) * half * 1.04
    outline = section("square", 32) * half
    if attributes["seat_shape"] == "tapered":
        outline[:, 0] *= 0.86 + 0.14 * outline[:, 1] / half[1]
    return outline


def _seat(attributes: Attributes, p: Parameters) -> list[Part]:
    return [slab(_outline(attributes, p, 0.0), p["seat_thickness"], at=(0, p["seat_height"], 0), bevel=0.02)]


def _padding(attributes: Attributes, p: Parameters) -> Part:
    height = p["seat_height"] + p["seat_thickness"] / 2 + 0.02
    return slab(_outline(attributes, p, -0.02), 0.09, at=(0, height, 0), bevel=0.035)


def _back(attributes: Attributes, p: Parameters) -> list[Part]:
    half, height, kind = p["width"] / 2 - 0.03, p["back_height"], attributes["back"]
    rail = half + (0.07 if attributes["crest"] == "overhanging" else 0.025)
    parts: list[Part] = []
    if kind == "ring":
        radius = min(half, 0.46 * height)
        parts.append(ring(radius, 0.065, at=(0, height - 0.46 * height, 0), axis="z", stretch=0.46 * height / radius))
        parts.append(post((0, -0.02, 0), (0, 0.12 * height, 0), 0.09, kind="square"))
        if attributes["crest"] == "overhanging":
            parts.append(box((2 * rail, 0.07, 0.06), at=(0, 0.92 * height, 0), radius=0.02, bevels=2))
    else:
        parts.append(box((2 * rail, 0.085, 0.065), at=(0, height - 0.04, 0), radius=0.025, bevels=2))
        if kind == "solid":
            parts.append(
                box((2 * half + 0.03, height - 0.02, 0.055), at=(0, height / 2 - 0.03, 0), radius=0.02, bevels=2)
            )
        else:
            parts += both_sides(post((half, -0.02, 0), (half, height - 0.03, 0), 0.06, kind="square"))
    if kind == "slatted":
        count = 2 if p["width"] < 0.46 else 3 if p["width"] < 0.58 else 4
        for x in np.linspace(-half, half, count + 2)[1:-1]:
            parts.append(box((0.055, height, 0.045), at=(float(x), height / 2 - 0.02, 0), radius=0.012))
    if kind == "ladder":
        count = 2 if height < 0.35 else 3 if height < 0.5 else 4
        for y in np.linspace(0.0, height - 0.04, count + 1)[1:-1] if count > 2 else (0.45 * height,):
            parts.append(box((2 * half, 0.06, 0.045), at=(0, float(y), 0), radius=0.012))
    bottom = (0.0, p["seat_height"] + 0.01, 0.03 - p["depth"] / 2)
    return [part.moved(*bottom).turned("x", -p["back_angle"], about=bottom) for part in parts]


def _arms(attributes: Attributes, p: Parameters) -> list[Part]:
    x, y, front = p["width"] / 2, p["seat_height"] + 0.22, p["depth"] / 2
    if attributes["arms"] == "closed":
        return both_sides(box((0.06, 0.24, 2 * front - 0.02), at=(x, y - 0.11, -0.01), radius=0.02, bevels=2))
    lean = 0.22 * np.tan(np.radians(p["back_angle"]))
    rest = box((0.07, 0.05, 2 * front + lean), at=(x, y, -lean / 2), radius=0.02, bevels=2)
    return both_sides(rest, post((x, y - 0.24, 0.7 * front), (x, y, 0.7 * front), 0.052))


def _legs(attributes: Attributes, p: Parameters, *, ground: float = 0.0) -> list[Part]:
    width, kind, shape = p["leg_width"], attributes["leg_section"], attributes["leg_shape"]
    inset = 0.27 if attributes["seat_shape"] == "round" else 0.1
    x, z, top = p["width"] / 2 * (1 - inset), p["depth"] / 2 * (1 - inset), p["seat_height"]
    spread = 0.1 if shape == "splayed" else 0.0
    back_x = x * (0.74 if attributes["seat_shape"] == "tapered" else 1.0)
    foot = {"straight": width, "tapered": 0.65 * width, "splayed": 0.9 * width}[shape]
    head = width * (1.25 if shape == "tapered" else 1.0)
    legs = [
        post((x + spread, ground, z + spread), (x, top, z), foot, head, kind=kind),
        post((back_x + spread, ground, -z - spread), (back_x, top, -z), foot, head, kind=kind),
    ]
    parts = both_sides(*legs)
    y = 0.35 * top
    out = 0.65 * spread
    if attributes["stretcher"] != "none":
        parts += both_sides(tube([(back_x + out, y, -z - out), (x + out, y, z + out)], 0.05))
    if attributes["stretcher"] == "box":
        parts.append(tube([(-x - out, y, z + out), (x + out, y, z + out)], 0.05))
        parts.append(tube([(-back_x - out, y, -z - out), (back_x + out, y, -z - out)], 0.05))
    if attributes["stretcher"] == "H-shaped":
        middle = (x + back_x) / 2 + out
        parts.append(tube([(-middle, y, 0), (middle, y, 0)], 0.05))
    return parts


def _rockers(attributes: Attributes, p: Parameters) -> list[Part]:
    reach = 0.46
    z = np.linspace(-reach - 0.08, reach, 13)
    curve = 0.035 + 0.62 * (z + 0.02) ** 2
    x = p["width"] / 2 * 0.9
    flare = 0.065 if attributes["leg_shape"] == "splayed" else 0.0
    runner = tube(np.stack([np.full_like(z, x + flare), curve, z], axis=1), 0.058, kind="square")
    return both_sides(runner) + _legs(attributes, p, ground=0.06)


def _sled(attributes: Attributes, p: Parameters) -> list[Part]:
    x, z, top = p["width"] / 2 - 0.03, p["depth"] / 2, p["seat_height"] - 0.01
    corners = [(x, top, -z + 0.04), (x, top, z), (x, 0.03, z), (x, 0.03, -z)]
    side = tube(rounded_path(corners, 0.1), 0.058)
    return [*both_sides(side), tube([(-x, 0.03, -z), (x, 0.03, -z)], 0.058)]


def _pedestal(attributes: Attributes, p: Parameters) -> list[Part]:
    top = p["seat_height"]
    column = post((0, 0.06, 0), (0, top, 0), 0.085)
    if attributes["base"] == "disc":
        return [column, disc(0.25, 0.05, at=(0, 0.025, 0)), post((0, 0.04, 0), (0, 0.12, 0), 0.2, 0.08)]
    parts = [column, post((0, 0.05, 0), (0, 0.17, 0), 0.12)]
    for spoke in range(5):
        arm = tube([(0, 0.115, 0), (0, 0.1, 0.15), (0, 0.075, 0.31)], np.array([0.075, 0.065, 0.055]))
        wheel = disc(0.04, 0.05, bevel=0.015).turned("z", 90).moved(0, 0.04, 0.31)
        parts += [arm.turned("y", 72.0 * spoke), wheel.turned("y", 72.0 * spoke)]
    return parts
