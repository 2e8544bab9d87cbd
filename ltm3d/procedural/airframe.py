"""The parts of airplanes, unpainted; the nose points to +z, the fuselage's axis is y = 0."""

import numpy as np

from ltm3d.procedural.design import Attributes, Parameters
from ltm3d.procedural.solids import Part, both_sides, box, post
from ltm3d.procedural.sweeps import blade, disc, fuselage, lathe, tube


def make_body(a: Attributes, p: Parameters) -> list[Part]:
    """Make the body without its nose, which begins 0.18 of the length behind the tip."""
    r, half = p["fuselage_width"], p["length"] / 2
    jet = a["variant"] == "fighter jet"
    end = 0.75 if jet else 0.32
    rows = [
        (-1.0, end, 0.5),
        (-0.97, end + 0.08, 0.45),
        (-0.7, 0.78 if not jet else 0.9, 0.2),
        (-0.35, 1.0, 0.0),
        (0.0, 1.03, 0.0),
        (0.35, 1.0, 0.0),
        (0.64, 0.97 if not jet else 0.8, 0.0),
    ]
    lift = 0.0 if jet else 0.55
    stations = [(z * half, lift * r * up, w * r, w * r * (1.0 if not jet else 0.92)) for z, w, up in rows]
    parts = [fuselage(stations, squareness=0.35 if a["variant"] in ("biplane", "propeller plane") else 0.0)]
    if jet:
        intake = [
            (-0.8 * half, -0.1 * r, 0.5 * r, 0.6 * r),
            (-0.2 * half, -0.2 * r, 0.62 * r, 0.75 * r),
            (0.26 * half, -0.2 * r, 0.55 * r, 0.7 * r),
            (0.28 * half, -0.2 * r, 0.5 * r, 0.64 * r),
        ]
        parts += both_sides(fuselage(intake, squareness=0.7).moved(0.95 * r))
    return parts


def make_nose(a: Attributes, p: Parameters) -> Part:
    r, half = p["fuselage_width"], p["length"] / 2
    start = 0.97 if a["variant"] != "fighter jet" else 0.8
    if a["engines"] == "propeller":
        rows = [(0.6, 0.96), (0.66, 1.06), (0.9, 1.02), (0.97, 0.85), (0.99, 0.6)]
    elif a["nose_shape"] == "pointed":
        rows = [(0.6, start), (0.7, 0.9 * start), (0.82, 0.68 * start), (0.93, 0.42 * start), (1.02, 0.22), (1.05, 0.1)]
    else:
        rows = [
            (0.6, start),
            (0.72, 0.96 * start),
            (0.84, 0.84 * start),
            (0.93, 0.62 * start),
            (0.98, 0.38),
            (1.0, 0.15),
        ]
    return fuselage([(z * half, -0.12 * r * max(0.0, z - 0.7) / 0.3, w * r, w * r) for z, w in rows])


def _planform(a: Attributes, p: Parameters) -> list[tuple[float, float, float]]:
    """Return (share of the half span, leading edge z, chord) along the wing."""
    half, chord = p["wing_span"], p["chord"]
    if a["wing_shape"] == "delta":
        return [(0.0, 0.24, 0.56), (0.5, 0.24 - 0.27, 0.33), (0.9, 0.24 - 0.47, 0.15), (1.0, 0.24 - 0.5, 0.11)]
    if a["wing_shape"] == "swept":
        drop = half * 0.6
        front = 0.16 if a["variant"] == "airliner" else 0.12
        return [
            (0.0, front, 1.3 * chord),
            (0.35, front - 0.35 * drop, 0.95 * chord),
            (0.95, front - 0.95 * drop, 0.5 * chord),
            (1.0, front - drop, 0.4 * chord),
        ]
    front = {"airliner": 0.12}.get(a["variant"], 0.2)
    return [
        (0.0, front, chord),
        (0.5, front - 0.005, 0.97 * chord),
        (0.95, front - 0.02, 0.82 * chord),
        (1.0, front - 0.04, 0.62 * chord),
    ]


def make_wings(a: Attributes, p: Parameters) -> list[Part]:
    r, half = p["fuselage_width"], p["wing_span"]
    levels = {"low": (-0.45 * r,), "high": (0.75 * r,), "double": (-0.75 * r, 1.75 * r + 0.06)}[a["wing_position"]]
    if a["variant"] == "propeller plane" and a["wing_position"] == "high":
        levels = (1.05 * r + 0.02,)
    rise = 0.05 if a["wing_position"] == "low" and a["variant"] != "fighter jet" else 0.0
    parts: list[Part] = []
    for level in levels:
        stations = [
            (
                (share * half - (0.02 if share == 0 else 0.0), level + rise * share, front - chord / 2),
                chord,
                0.055 if share < 0.7 else 0.046,
            )
            for share, front, chord in _planform(a, p)
        ]
        parts += both_sides(blade(stations))
    _, front, chord = _planform(a, p)[-1]
    if a["wing_tips"] == "winglets":
        at = (half - 0.01, levels[0] + rise, front - chord / 2)
        top = (half + 0.03, levels[0] + rise + 0.12, front - chord / 2 - 0.05)
        parts += both_sides(blade([(at, chord, 0.042), (top, 0.6 * chord, 0.04)], thick="x"))
    if a["wing_position"] == "double":
        for x in (0.72 * half, 1.3 * r):
            for z in (0.15, 0.04):
                parts += both_sides(post((x, levels[0], z), (x, levels[1], z), 0.046))
    if a["variant"] == "propeller plane" and a["wing_position"] == "high":
        strut = tube([(0.8 * r, -0.5 * r, 0.11), (0.55 * half, levels[0], 0.11)], 0.042)
        parts += [*both_sides(strut), box((1.5 * r, 0.5 * r + 0.03, 0.2), at=(0, 0.85 * r, 0.1), radius=0.02)]
    return parts


def make_tail(a: Attributes, p: Parameters) -> list[Part]:
    r, half, tall = p["fuselage_width"], p["length"] / 2, p["fin"]
    jet = a["variant"] == "fighter jet"
    back, base = -0.97 * half, 0.3 * r
    lean = 0.1 if a["variant"] in ("airliner", "fighter jet") else 0.03
    root, tip = (0.2, 0.1) if lean > 0.05 else (0.16, 0.1)
    chords = ((0.0, root), (0.5, (root + tip) / 2), (0.95, tip), (1.0, 0.8 * tip))
    fin = blade(
        [((0, base + tall * s, back + 0.1 - lean * s), chord, 0.05 if s < 0.6 else 0.042) for s, chord in chords],
        thick="x",
    )
    fins = both_sides(fin.turned("z", -14).moved(1.1 * r)) if a["tail"] == "twin-fin" else [fin]
    level = base + tall - 0.02 if a["tail"] == "T-shaped" else (0.0 if jet else 0.35 * r)
    shift = lean if a["tail"] == "T-shaped" else 0.0
    span = 0.2 if not jet else 0.22
    stations = [
        ((span * s - (0.01 if s == 0 else 0), level, back + 0.09 - shift - (0.5 * lean + 0.03) * s), chord, 0.046)
        for s, chord in ((0.0, 0.15), (0.6, 0.12), (0.95, 0.09), (1.0, 0.07))
    ]
    return fins + both_sides(blade(stations))


def make_cockpit(a: Attributes, p: Parameters) -> list[Part]:
    r, half = p["fuselage_width"], p["length"] / 2
    if a["variant"] == "airliner":
        y, length = 0.3 * r, 0.95 * half
        belt = both_sides(box((0.03, 0.3 * r, length), at=(0.93 * r, y, 0.06 * half), radius=0.01))
        front = fuselage(
            [
                (0.66 * half, 0.42 * r, 0.6 * r, 0.42 * r),
                (0.78 * half, 0.36 * r, 0.62 * r, 0.5 * r),
                (0.88 * half, 0.2 * r, 0.45 * r, 0.3 * r),
            ]
        )
        return [*belt, front]
    if a["cockpit"] == "open cockpit":
        seat = box((1.1 * r, 0.05, 0.12), at=(0, r, -0.07), radius=0.02)
        screen = box((1.3 * r, 0.08, 0.042), at=(0, 1.1 * r, 0.01), radius=0.015).turned("x", -20, about=(0, r, 0.01))
        return [
            seat,
            screen,
            fuselage(
                [
                    (-0.2, 0.9 * r, 0.3 * r, 0.3 * r),
                    (-0.14, 1.1 * r, 0.5 * r, 0.5 * r),
                    (-0.12, 1.05 * r, 0.45 * r, 0.5 * r),
                ]
            ),
        ]
    if a["cockpit"] == "windscreen":
        return [
            box((1.7 * r, 0.6 * r, 0.15), at=(0, 0.9 * r, 0.17), radius=0.03, bevels=2).turned(
                "x", 12, about=(0, 0, 0.17)
            )
        ]
    start, end = (0.05 * half, 0.72 * half) if a["variant"] == "fighter jet" else (-0.3 * half, 0.42 * half)
    share = np.linspace(0.0, 1.0, 9)
    width = np.sqrt(np.maximum(np.sin(np.pi * (0.04 + 0.92 * share)), 0.0))
    return [
        fuselage(
            [
                (start + (end - start) * float(s), 0.7 * r, 0.62 * r * float(w), 0.9 * r * float(w))
                for s, w in zip(share, width, strict=True)
            ]
        )
    ]


def make_engines(a: Attributes, p: Parameters) -> list[Part]:
    r, half = p["fuselage_width"], p["length"] / 2
    if a["engines"] == "propeller":
        hub = (
            lathe([(0.0, -0.02), (0.04, -0.02), (0.042, 0.02), (0.03, 0.05), (0.0, 0.07)])
            .turned("x", 90)
            .moved(0, 0, half)
        )
        count = {"two": 2, "three": 3, "four": 4}[a["propeller_blades"]]
        leaf = box((0.056, 0.19, 0.044), at=(0, 0.1, 0), radius=0.017, bevels=2).turned("y", 25)
        return [hub, *(leaf.turned("z", 360.0 / count * k + 20).moved(0, 0, half + 0.015) for k in range(count))]
    if a["engines"] == "tail nozzles":
        size = 0.72 * r if a["num_engines"] == "one" else 0.55 * r
        nozzle = lathe(
            [(0.0, 0.12), (size, 0.1), (1.08 * size, 0.04), (0.85 * size, 0.0), (0.6 * size, 0.01), (0.0, 0.06)]
        )
        nozzle = nozzle.turned("x", 90).moved(0, 0, -half - 0.05)
        return [nozzle] if a["num_engines"] == "one" else both_sides(nozzle.moved(0.62 * r))
    pod = lathe(
        [
            (0.0, -0.09),
            (0.022, -0.09),
            (0.04, -0.03),
            (0.046, 0.03),
            (0.044, 0.075),
            (0.034, 0.08),
            (0.028, 0.06),
            (0.0, 0.055),
        ]
    ).turned("x", 90)
    if a["engines"] == "at the tail":
        arm = box((0.09, 0.04, 0.09), at=(r + 0.01, 0.35 * r, -0.58 * half), radius=0.015)
        return both_sides(pod.moved(r + 0.055, 0.35 * r, -0.58 * half), arm)
    places = (0.36,) if a["num_engines"] == "two" else (0.32, 0.62)
    plan = _planform(a, p)
    parts = []
    level = (-0.45 if a["wing_position"] == "low" else 0.75) * r
    rise = 0.05 if a["wing_position"] == "low" else 0.0
    for share in places:
        front = float(np.interp(share, [s for s, _, _ in plan], [z for _, z, _ in plan]))
        x, y = share * p["wing_span"], level + rise * share - 0.055
        parts += both_sides(
            pod.moved(x, y, front), box((0.04, 0.06, 0.1), at=(x, y + 0.035, front - 0.04), radius=0.012)
        )
    return parts


def make_landing_gear(a: Attributes, p: Parameters) -> list[Part]:
    r = p["fuselage_width"]
    if a["landing_gear"] == "none":
        return []
    low = -r - 0.1
    if a["landing_gear"] == "floats":
        rows = [
            (-0.28, 0.02, 0.03),
            (-0.24, 0.035, 0.035),
            (0.1, 0.04, 0.045),
            (0.26, 0.035, 0.04),
            (0.33, 0.015, 0.018),
        ]
        pontoon = fuselage([(z, low - 0.01, w, h) for z, w, h in rows], squareness=0.4).moved(0.13)
        legs = [tube([(0.13, low, z), (0.5 * r, -0.6 * r, z)], 0.042) for z in (-0.02, 0.18)]
        return both_sides(pontoon, *legs)
    wheel = disc(0.05, 0.046, bevel=0.015).turned("z", 90)
    if a["variant"] in ("biplane", "propeller plane"):
        pair = both_sides(wheel.moved(0.11, low, 0.17), tube([(0.11, low, 0.17), (0.4 * r, -0.6 * r, 0.15)], 0.042))
        rear = -0.9 * p["length"] / 2
        return [
            *pair,
            tube([(-0.11, low, 0.17), (0.11, low, 0.17)], 0.042),
            wheel.scaled(0.8, 0.6, 0.6).moved(0, -0.03, rear),
        ]
    small = wheel.scaled(1.0, 0.75, 0.75)
    main = both_sides(small.moved(0.07, low, -0.06), post((0.07, low, -0.06), (0.06, -0.3 * r, -0.06), 0.042))
    front = 0.6 * p["length"] / 2
    return [*main, small.moved(0, low, front), post((0, low, front), (0, -0.3 * r, front), 0.042)]
