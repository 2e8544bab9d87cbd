"""Watercraft: rowing boat, sailboat, tugboat, catamaran and cargo ship. The bow points to +z."""

import numpy as np

from ltm3d.articles import with_article
from ltm3d.procedural.design import COLOURS, Attributes, Description, Design, Parameters, paint, phrase
from ltm3d.procedural.hull import Hull, gunwale_rim, hull_part
from ltm3d.procedural.rigging import make_rig
from ltm3d.procedural.solids import Part, Rgb, both_sides, box, post
from ltm3d.procedural.sweeps import fuselage, ring, tube

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "variant": ("rowing boat", "sailboat", "tugboat", "catamaran", "cargo ship"),
    "colour": tuple(COLOURS),
    "material": ("wooden", "metal", "plastic"),
    "accent_colour": tuple(COLOURS),
    "bow": ("sharp", "blunt"),
    "stern": ("flat", "pointed"),
    "beam": ("narrow", "wide"),
    "hull_depth": ("shallow", "deep"),
    "sheer": ("level", "curved"),
    "gunwale": ("plain", "rimmed"),
    "benches": ("none", "one", "two", "three"),
    "oars": ("none", "two"),
    "masts": ("none", "one", "two"),
    "sail": ("none", "triangular", "square"),
    "jib": ("none", "one"),
    "cabin": ("none", "low", "tall"),
    "funnels": ("none", "one", "two"),
    "containers": ("none", "two", "three", "four"),
    "fenders": ("none", "tyres"),
}
_COUNT = {"one": 1, "two": 2, "three": 3, "four": 4}


def draw(design: Design) -> None:
    """Draw one watercraft."""
    variant = design.pick("variant", ATTRIBUTES["variant"])
    rowing, sailing = variant == "rowing boat", variant == "sailboat"
    tug, twin, cargo = variant == "tugboat", variant == "catamaran", variant == "cargo ship"
    colour = design.colour("colour")
    design.pick("material", ("metal",) if cargo else ("metal", "wooden") if tug else ("wooden", "plastic"))
    design.colour("accent_colour", other_than=colour)
    design.pick("bow", ("blunt", "sharp") if tug or rowing else ("sharp",))
    design.pick("stern", ATTRIBUTES["stern"] if rowing or sailing else ("flat",))
    narrow, wide = {
        "rowing boat": ((0.33, 0.36), (0.44, 0.48)),
        "sailboat": ((0.24, 0.27), (0.32, 0.36)),
        "tugboat": ((0.34, 0.37), (0.44, 0.48)),
        "catamaran": ((0.42, 0.46), (0.56, 0.62)),
        "cargo ship": ((0.2, 0.22), (0.27, 0.3)),
    }[variant]
    design.grade("beam", {"narrow": narrow, "wide": wide})
    shallow, deep = ((0.12, 0.135), (0.17, 0.2)) if sailing or twin else ((0.15, 0.17), (0.21, 0.24))
    design.grade("hull_depth", {"shallow": shallow, "deep": deep})
    design.grade("sheer", {"level": (0.01, 0.025), "curved": (0.07, 0.11)})
    design.pick("gunwale", ("plain", "rimmed") if not twin else ("plain",))
    design.pick("benches", ("one", "two", "three") if rowing else ("none",))
    design.pick("oars", ATTRIBUTES["oars"] if rowing else ("none",), (0.35, 0.65) if rowing else None)
    masts = {"sailboat": ("one", "two"), "catamaran": ("none", "one")}.get(variant, ("none",))
    mast = design.pick("masts", masts, (0.7, 0.3) if sailing else (0.3, 0.7) if twin else None)
    design.pick("sail", ("none",) if mast == "none" else ("triangular", "square") if sailing else ("triangular",))
    design.pick("jib", ATTRIBUTES["jib"] if design.attributes["sail"] == "triangular" and mast == "one" else ("none",))
    design.number("mast_height", 0.72, 0.92)
    cabins = {
        "rowing boat": ("none",),
        "sailboat": ("none", "low"),
        "tugboat": ("low", "tall"),
        "catamaran": ("low", "tall"),
        "cargo ship": ("low", "tall"),
    }
    design.pick("cabin", cabins[variant])
    design.number("cabin_width", 0.52, 0.62)
    design.pick("funnels", ("one", "two") if tug or cargo else ("none",))
    design.pick("containers", ("two", "three", "four") if cargo else ("none",))
    design.pick("fenders", ATTRIBUTES["fenders"] if tug else ("none",))
    design.number("length", 0.8, 0.88) if tug else design.number("length", 0.96, 1.04)


def describe(attributes: Attributes) -> Description:
    """Return the caption's noun and its details, the most visible first."""
    a, variant, accent = attributes, attributes["variant"], attributes["accent_colour"]
    details = []
    if a["masts"] != "none":
        details.append(phrase("one mast" if a["masts"] == "one" else "two masts", "masts"))
        sail = f"{accent} {a['sail']} sail"
        details.append(phrase(f"{sail}s" if a["masts"] == "two" else with_article(sail), "accent_colour", "sail"))
    if a["jib"] == "one":
        details.append(phrase("a jib", "jib"))
    if variant == "rowing boat":
        details.append(phrase("one bench" if a["benches"] == "one" else f"{a['benches']} benches", "benches"))
        if a["oars"] == "two":
            details.append(phrase("two oars", "oars"))
        details.append(phrase(with_article(f"{a['stern']} stern"), "stern"))
    if variant == "cargo ship":
        details.append(phrase(f"{a['containers']} stacks of containers", "containers"))
    if a["cabin"] != "none":
        details.append(phrase(with_article(f"{a['cabin']} cabin"), "cabin"))
    if a["funnels"] != "none":
        details.append(phrase("one funnel" if a["funnels"] == "one" else "two funnels", "funnels"))
    if a["fenders"] == "tyres":
        details.append(phrase("tyre fenders", "fenders"))
    details.append(phrase(with_article(f"{a['hull_depth']} hull"), "hull_depth"))
    return Description(phrase(variant, "variant"), details)


def build(attributes: Attributes, parameters: Parameters) -> list[Part]:
    """Build the boat's parts."""
    maker = {
        "rowing boat": _rowing_boat,
        "sailboat": _sailboat,
        "tugboat": _tugboat,
        "catamaran": _catamaran,
        "cargo ship": _cargo_ship,
    }[attributes["variant"]]
    return maker(attributes, parameters)


def _lines(a: Attributes, p: Parameters, *, beam: float = 0.0, boxiness: float = 0.4, transom: float = 0.72) -> Hull:
    return Hull(
        length=p["length"],
        beam=beam or p["beam"],
        depth=p["hull_depth"],
        sheer=p["sheer"],
        bow=0.75 if a["bow"] == "sharp" else 2.2,
        transom=0.08 if a["stern"] == "pointed" else transom,
        boxiness=boxiness,
        rake=0.1,
    )


def _paints(a: Attributes) -> tuple[Rgb, Rgb, Rgb]:
    body, accent = (paint(a[name], a["material"]) for name in ("colour", "accent_colour"))
    return body, accent, paint("grey" if "black" in (a["colour"], a["accent_colour"]) else "black", "metal")


def _rimmed(a: Attributes, hull: Hull) -> list[Part]:
    return [gunwale_rim(hull).painted(_paints(a)[1])] if a["gunwale"] == "rimmed" else []


def _rowing_boat(a: Attributes, p: Parameters) -> list[Part]:
    body, accent, _ = _paints(a)
    hull = _lines(a, p)
    parts = [hull_part(hull, floor=0.06).painted(body), *_rimmed(a, hull)]
    count = _COUNT[a["benches"]]
    for z in np.linspace(-0.27, 0.2, count) if count > 1 else (-0.05,):
        wide, y = 2 * hull.half_beam(float(z)) - 0.05, hull.gunwale(float(z)) - 0.05
        parts.append(box((wide, 0.05, 0.1), at=(0, y, float(z))).painted(accent))
    if a["oars"] == "two":
        x, y = hull.half_beam(0.0), hull.gunwale(0.0) + 0.02
        shaft = tube([(0.35 * x, y + 0.07, 0.12), (x, y + 0.01, 0.0), (x + 0.2, y - 0.04, -0.16)], 0.042)
        leaf = box((0.16, 0.04, 0.09), radius=0.015).turned("y", 32).moved(x + 0.23, y - 0.045, -0.18)
        parts += [part.painted(accent) for part in both_sides(shaft, leaf)]
    return parts


def _rig(a: Attributes, hull: Hull, tall: float, z: float, room: float) -> list[Part]:
    _, accent, spar = _paints(a)
    jib = paint("white" if a["accent_colour"] != "white" else "grey", "fabric")
    return make_rig(a, hull, tall=tall, z=z, room=room, sail_paint=accent, jib_paint=jib, spar=spar)


def _sailboat(a: Attributes, p: Parameters) -> list[Part]:
    body, accent, _ = _paints(a)
    hull = _lines(a, p, boxiness=0.1)
    open_hull = a["cabin"] == "none"
    parts = [hull_part(hull, floor=hull.depth - 0.06 if open_hull else None).painted(body), *_rimmed(a, hull)]
    if a["cabin"] == "low":
        wide = 0.6 * p["beam"]
        cabin = [
            (-0.18, hull.depth + 0.02, wide / 2, 0.06),
            (-0.17, hull.depth + 0.02, wide / 2, 0.07),
            (0.1, hull.depth + 0.02, 0.9 * wide / 2, 0.065),
            (0.2, hull.depth + 0.02, 0.6 * wide / 2, 0.03),
        ]
        parts.append(fuselage(cabin, squareness=0.7).painted(accent))
    if a["masts"] == "one":
        return parts + _rig(a, hull, p["mast_height"], 0.1, 0.48)
    return parts + _rig(a, hull, p["mast_height"], 0.2, 0.3) + _rig(a, hull, 0.8 * p["mast_height"], -0.16, 0.26)


def _house(a: Attributes, size: tuple[float, float, float], at: tuple[float, float, float]) -> list[Part]:
    """Make one storey of a deckhouse with a band of windows and a roof that juts out; `at` is its floor's centre."""
    _, accent, dark = _paints(a)
    x, y, z = at
    wide, high, deep = size
    return [
        box(size, at=(x, y + high / 2, z), radius=0.02, bevels=2).painted(accent),
        box((wide + 0.012, 0.35 * high, deep + 0.012), at=(x, y + 0.62 * high, z), radius=0.01).painted(dark),
        box((wide + 0.05, 0.045, deep + 0.05), at=(x, y + high, z), radius=0.018, bevels=2).painted(accent),
    ]


def _funnels(a: Attributes, bottom: float, z: float, tall: float) -> list[Part]:
    body, _, dark = _paints(a)
    offsets = (0.0,) if a["funnels"] == "one" else (-0.065, 0.065)
    parts = []
    for x in offsets:
        parts.append(post((x, bottom, z), (x, bottom + tall, z - 0.02), 0.095, 0.085).painted(body))
        parts.append(
            post((x, bottom + 0.72 * tall, z - 0.014), (x, bottom + tall + 0.01, z - 0.02), 0.105, 0.1).painted(dark)
        )
    return parts


def _tugboat(a: Attributes, p: Parameters) -> list[Part]:
    body, _, dark = _paints(a)
    hull = _lines(a, p, boxiness=0.5, transom=0.8)
    deck = hull.depth - 0.055
    parts = [hull_part(hull, floor=deck).painted(body), *_rimmed(a, hull)]
    wide = p["cabin_width"] * p["beam"]
    parts += _house(a, (wide, 0.19, 0.36), (0, deck - 0.01, 0.02))
    roof = deck + 0.18
    if a["cabin"] == "tall":
        parts += _house(a, (0.8 * wide, 0.16, 0.2), (0, roof, 0.08))
    parts += _funnels(a, roof - 0.01, -0.09, 0.19)
    if a["fenders"] == "tyres":
        for z in (-0.26, -0.1, 0.06, 0.2):
            x, y = hull.half_beam(z) + 0.005, 0.62 * hull.gunwale(z)
            parts += [part.painted(dark) for part in both_sides(ring(0.045, 0.045, at=(x, y, z), axis="x", steps=14))]
    front = hull.length / 2 - 0.05
    return [
        *parts,
        post((0, hull.gunwale(front) - 0.05, front), (0, hull.gunwale(front) + 0.05, front), 0.06).painted(dark),
    ]


def _catamaran(a: Attributes, p: Parameters) -> list[Part]:
    body, accent, _ = _paints(a)
    hull = _lines(a, p, beam=0.16, boxiness=0.2)
    x, deck = p["beam"] / 2 - 0.08, p["hull_depth"]
    parts = [part.painted(body) for part in both_sides(hull_part(hull).moved(x))]
    parts.append(box((2 * x + 0.06, 0.06, 0.52), at=(0, deck - 0.01, -0.1), radius=0.02, bevels=2).painted(accent))
    parts.append(tube([(-x, deck, 0.26), (x, deck, 0.26)], 0.055).painted(body))
    high = 0.13 if a["cabin"] == "low" else 0.22
    parts += _house(a, (1.35 * x, high, 0.28), (0, deck + 0.01, -0.12))
    if a["masts"] == "one":
        parts += _rig(
            a,
            Hull(length=hull.length, beam=0.1, depth=deck + 0.03, sheer=0.0, bow=1.0, transom=1.0),
            p["mast_height"] * 0.95,
            0.06,
            0.42,
        )
        parts.append(box((0.12, 0.07, 0.24), at=(0, deck, 0.16), radius=0.02).painted(body))
    return parts


def _cargo_ship(a: Attributes, p: Parameters) -> list[Part]:
    body, _, _ = _paints(a)
    hull = _lines(a, p, boxiness=0.65, transom=0.85)
    deck, wide = hull.depth, 0.86 * p["beam"]
    parts = [hull_part(hull).painted(body), *_rimmed(a, hull)]
    stern = -hull.length / 2
    tower = 0.2 if a["cabin"] == "low" else 0.32
    parts += _house(a, (wide, 0.55 * tower, 0.15), (0, deck - 0.02, stern + 0.15))
    parts += _house(a, (wide + 0.03, 0.45 * tower, 0.11), (0, deck + 0.55 * tower - 0.02, stern + 0.16))
    parts += _funnels(a, deck - 0.02, stern + 0.055, 0.75 * tower)
    count = _COUNT[a["containers"]]
    start, end = stern + 0.25, 0.62 * hull.length / 2
    pitch = (end - start) / count
    names = [name for name in COLOURS if name not in (a["colour"], "black", "white")]
    for k in range(count):
        z = start + (k + 0.5) * pitch
        levels = 2 if k % 2 == 0 or count == 2 else 1
        for level in range(levels):
            size = (min(wide, 1.7 * hull.half_beam(z + pitch / 2)), 0.095, pitch - 0.035)
            at = (0.0, hull.gunwale(z) + 0.04 + 0.09 * level, z)
            parts.append(box(size, at=at, radius=0.01).painted(paint(names[(2 * k + 3 * level) % len(names)], "metal")))
    front = hull.length / 2 - 0.1
    mast = hull.gunwale(front)
    return [*parts, post((0, mast - 0.03, front), (0, mast + 0.16, front), 0.06, 0.055).painted(body)]
