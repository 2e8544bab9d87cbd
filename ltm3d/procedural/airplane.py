"""Airplanes: airliner, biplane, fighter jet and propeller plane. The nose points to +z."""

from ltm3d.articles import with_article
from ltm3d.procedural.airframe import (
    make_body,
    make_cockpit,
    make_engines,
    make_landing_gear,
    make_nose,
    make_tail,
    make_wings,
)
from ltm3d.procedural.design import COLOURS, Attributes, Description, Design, Parameters, paint, phrase
from ltm3d.procedural.solids import Part

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "variant": ("airliner", "biplane", "fighter jet", "propeller plane"),
    "colour": tuple(COLOURS),
    "material": ("metal", "plastic", "wooden"),
    "accent_colour": tuple(COLOURS),
    "accents": ("tail", "wings", "nose"),
    "wing_shape": ("straight", "swept", "delta"),
    "wing_position": ("low", "high", "double"),
    "wing_span": ("short", "long"),
    "wing_tips": ("plain", "winglets"),
    "num_engines": ("one", "two", "four"),
    "engines": ("propeller", "under the wings", "at the tail", "tail nozzles"),
    "propeller_blades": ("none", "two", "three", "four"),
    "tail": ("low", "T-shaped", "twin-fin"),
    "fin": ("short", "tall"),
    "cockpit": ("windscreen", "bubble canopy", "open cockpit"),
    "landing_gear": ("none", "wheels", "floats"),
    "fuselage_width": ("slim", "stout"),
    "nose_shape": ("pointed", "round"),
}


def draw(design: Design) -> None:
    """Draw one airplane."""
    variant = design.pick("variant", ATTRIBUTES["variant"], (0.34, 0.2, 0.24, 0.22))
    liner, jet = variant == "airliner", variant == "fighter jet"
    colour = design.colour("colour")
    design.pick("material", ("metal", "plastic") if liner or jet else ATTRIBUTES["material"])
    design.colour("accent_colour", other_than=colour)
    design.pick("accents", ATTRIBUTES["accents"])
    shapes = {"airliner": ("swept", "straight"), "fighter jet": ("delta", "swept")}.get(variant, ("straight",))
    design.pick("wing_shape", shapes, (0.75, 0.25) if liner else None)
    design.pick(
        "wing_position",
        {"biplane": ("double",), "propeller plane": ("high", "low")}.get(variant, ("low", "high")),
        (0.8, 0.2) if liner or jet else None,
    )
    short, long = ((0.27, 0.3), (0.35, 0.39)) if jet else ((0.39, 0.42), (0.49, 0.54))
    design.grade("wing_span", {"short": short, "long": long})
    design.pick("wing_tips", ATTRIBUTES["wing_tips"] if liner else ("plain",))
    engines = {"airliner": ("under the wings", "at the tail"), "fighter jet": ("tail nozzles",)}.get(
        variant, ("propeller",)
    )
    where = design.pick("engines", engines, (0.75, 0.25) if liner else None)
    counts = {"under the wings": ("two", "four"), "at the tail": ("two",), "tail nozzles": ("one", "two")}.get(
        where, ("one",)
    )
    design.pick("num_engines", counts)
    design.pick("propeller_blades", ("two", "three", "four") if where == "propeller" else ("none",))
    tails = ("T-shaped",) if where == "at the tail" else ("low", "twin-fin") if jet else ("low", "T-shaped")
    design.pick(
        "tail", tails if variant != "biplane" else ("low",), (0.75, 0.25) if len(tails) == 2 and liner else None
    )
    design.grade("fin", {"short": (0.13, 0.15), "tall": (0.19, 0.22)})
    cockpits = {"airliner": ("windscreen",), "fighter jet": ("bubble canopy",), "biplane": ("open cockpit",)}
    design.pick("cockpit", cockpits.get(variant, ("windscreen", "bubble canopy")))
    gears = (
        ("none", "wheels") if liner or jet else ("wheels", "floats") if variant == "propeller plane" else ("wheels",)
    )
    design.pick("landing_gear", gears, (0.65, 0.35) if len(gears) == 2 else None)
    wider = 0.012 if variant in ("biplane", "propeller plane") else 0.0
    design.grade("fuselage_width", {"slim": (0.05 + wider, 0.055 + wider), "stout": (0.068 + wider, 0.076 + wider)})
    design.pick("nose_shape", ATTRIBUTES["nose_shape"] if liner or jet else ("round",))
    design.number("length", 0.96, 1.04) if liner or jet else design.number("length", 0.72, 0.8)
    design.number("chord", 0.2, 0.24)


def describe(attributes: Attributes) -> Description:
    """Return the caption's noun and its details, the most visible first."""
    a, variant = attributes, attributes["variant"]
    details = []
    if variant == "biplane":
        details.append(phrase(f"two pairs of {a['wing_span']} wings", "wing_span"))
    elif variant == "propeller plane":
        details.append(phrase(f"{a['wing_span']} {a['wing_position']} wings", "wing_span", "wing_position"))
        details.append(phrase(a["landing_gear"], "landing_gear"))
    else:
        details.append(phrase(f"{a['wing_span']} {a['wing_shape']} wings", "wing_span", "wing_shape"))
    if a["engines"] == "propeller":
        details.append(phrase(with_article(f"{a['propeller_blades']}-blade propeller"), "propeller_blades"))
    elif a["engines"] == "tail nozzles":
        details.append(phrase("two tail nozzles" if a["num_engines"] == "two" else "one tail nozzle", "num_engines"))
        details.append(phrase("twin fins" if a["tail"] == "twin-fin" else "a single fin", "tail"))
    else:
        details.append(phrase(f"{a['num_engines']} engines {a['engines']}", "num_engines", "engines"))
    if variant == "biplane":
        accent = f"{a['accent_colour']} {a['accents']}"
        details.append(phrase(accent if a["accents"] == "wings" else with_article(accent), "accent_colour", "accents"))
    return Description(phrase(variant, "variant"), details)


def build(attributes: Attributes, parameters: Parameters) -> list[Part]:
    """Build the airplane's parts."""
    a, p = attributes, parameters
    body, accent = (paint(a[name], a["material"]) for name in ("colour", "accent_colour"))
    dark = paint("grey" if "black" in (a["colour"], a["accent_colour"]) else "black", "plastic")
    parts = [part.painted(body) for part in make_body(a, p)]
    parts.append(make_nose(a, p).painted(accent if a["accents"] == "nose" else body))
    parts += [part.painted(accent if a["accents"] == "wings" else body) for part in make_wings(a, p)]
    parts += [part.painted(accent if a["accents"] == "tail" else body) for part in make_tail(a, p)]
    parts += [part.painted(dark) for part in make_cockpit(a, p)]
    grey = paint("grey" if a["colour"] != "grey" else "white", "metal")
    parts += [part.painted(grey) for part in make_engines(a, p)]
    return parts + [part.painted(dark) for part in make_landing_gear(a, p)]
