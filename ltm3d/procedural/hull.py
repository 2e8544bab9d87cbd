"""Boat hulls: open or decked, by lofted cross-sections. The bow points to +z, the waterline is not modelled."""

from dataclasses import dataclass

import numpy as np

from ltm3d.procedural.solids import Array, Part, loft
from ltm3d.procedural.sweeps import tube

_WALL = 0.045


@dataclass(frozen=True, kw_only=True)
class Hull:
    """The lines of a hull whose keel touches y = 0.

    Attributes:
        beam: greatest width.
        depth: height of the gunwale amidships.
        sheer: how much higher than amidships the bow's gunwale lies; the stern rises by 0.4 of it.
        bow: exponent of the bow's taper; 1 is sharp, 3 is blunt.
        transom: width of the stern as a share of the beam; about 0 is a pointed stern.
        boxiness: 0 for a round section, towards 1 for a flat bottom with steep sides.
        rake: how far the keel is shorter than the gunwale at the bow.
    """

    length: float
    beam: float
    depth: float
    sheer: float
    bow: float
    transom: float
    boxiness: float = 0.4
    rake: float = 0.1

    def half_beam(self, z: float) -> float:
        """Return half of the width at the gunwale."""
        along = z / self.length + 0.5
        widest = 0.42
        if along >= widest:
            taper = 1.0 - ((along - widest) / (1.0 - widest)) ** (1.0 + self.bow)
        else:
            taper = 1.0 - (1.0 - self.transom) * ((widest - along) / widest) ** 2.2
        return max(0.5 * self.beam * taper, 0.02)

    def gunwale(self, z: float) -> float:
        """Return the height of the gunwale."""
        share = 2.0 * z / self.length
        return self.depth + self.sheer * (share**2 if share > 0 else 0.4 * share**2)

    def keel(self, z: float) -> float:
        """Return the height of the keel, which rises towards the bow and a pointed stern."""
        share = 2.0 * z / self.length
        stern = 0.0 if self.transom > 0.4 else 0.55 * self.depth * max(0.0, -share) ** 4
        return stern + 0.6 * self.depth * max(0.0, share) ** (2.0 + 6.0 * (1.0 - min(1.0, 5 * self.rake)))


def _ring(hull: Hull, z: float, floor: float | None) -> Array:
    half, top, keel = hull.half_beam(z), hull.gunwale(z), hull.keel(z)
    angle = np.linspace(0.0, np.pi, 15)
    power = 1.0 - 0.65 * hull.boxiness
    x = half * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power
    y = top - (top - keel) * np.maximum(np.sin(angle), 0.0) ** power
    flat = hull.rake * hull.length * max(0.0, 2.0 * z / hull.length) ** 3
    depth_share = (top - y) / max(top - keel, 1e-9)
    inside = max(half - _WALL, 0.4 * half)
    bottom = top if floor is None else max(min(floor, top), keel + _WALL)
    inner = np.array(
        [
            (-inside, top),
            (-0.94 * inside, (top + bottom) / 2),
            (-0.85 * inside, bottom),
            (-0.4 * inside, bottom),
            (0.4 * inside, bottom),
            (0.85 * inside, bottom),
            (0.94 * inside, (top + bottom) / 2),
            (inside, top),
        ]
    )
    outer = np.stack([x, y, z - flat * depth_share], axis=1)
    deck = np.concatenate([inner, np.full((8, 1), z)], axis=1)
    return np.concatenate([outer, deck])


def hull_part(hull: Hull, *, floor: float | None = None) -> Part:
    """Loft a hull; with a `floor` (height) it is hollow above it, else decked at the gunwale."""
    half = hull.length / 2.0
    ends = (0.06, 0.16)  # solid length at the stern and at the bow
    inside = np.linspace(-half + ends[0], half - ends[1], 15)
    rings = [_ring(hull, z, None) for z in np.linspace(-half, -half + ends[0], 3)]
    if floor is None:
        rings += [_ring(hull, float(z), None) for z in inside[1:]]
    else:
        rings += [
            _ring(hull, float(z), floor)
            for z in np.concatenate([inside[:1] + 0.002, inside[1:-1], inside[-1:] - 0.002])
        ]
        rings.append(_ring(hull, float(inside[-1]), None))
    rings += [_ring(hull, float(z), None) for z in np.linspace(half - ends[1], half, 6)[1:]]
    return loft(np.stack(rings))


def gunwale_rim(hull: Hull, width: float = 0.045) -> Part:
    """Make a rail that runs around the gunwale."""
    z = np.linspace(-hull.length / 2 + 0.01, hull.length / 2 - 0.01, 22)
    starboard = [(hull.half_beam(float(v)) - 0.01, hull.gunwale(float(v)), float(v)) for v in z]
    port = [(-x, y, v) for x, y, v in starboard[::-1]]
    return tube(np.array(starboard + port), width, closed=True)
