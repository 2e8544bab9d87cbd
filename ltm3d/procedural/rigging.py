"""Masts and sails."""

import numpy as np

from ltm3d.procedural.design import Attributes
from ltm3d.procedural.hull import Hull
from ltm3d.procedural.solids import Part, Rgb, box, post, slab
from ltm3d.procedural.sweeps import tube


def _sail(corners: list[tuple[float, float]], belly: float) -> Part:
    """Make a sail in the plane x = 0 from its corners (y, z), swollen towards +x in its middle."""
    points = []
    for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
        share = np.arange(8)[:, None] / 8
        points.append(np.array(start) * (1 - share) + np.array(end) * share)
    sail = slab(np.concatenate(points), 0.045, bevel=0.015).turned("z", 90)
    sail.vertices[:, 0] *= -1.0
    faces = sail.faces[:, ::-1]
    middle = np.mean(corners, axis=0)
    reach = np.abs(sail.vertices[:, 1:] - middle).max(axis=0)
    near = 1.0 - np.minimum(1.0, (((sail.vertices[:, 1:] - middle) / reach) ** 2).sum(axis=1))
    sail.vertices[:, 0] += belly * near
    return Part(sail.vertices, faces)


def make_rig(
    a: Attributes, hull: Hull, *, tall: float, z: float, room: float, sail_paint: Rgb, jib_paint: Rgb, spar: Rgb
) -> list[Part]:
    """Make a mast at `z` with its boom and sails; `room` is the free length behind it."""
    deck = hull.gunwale(z) - 0.02
    top = deck + tall
    parts = [post((0, deck, z), (0, top, z), 0.06, 0.045).painted(spar)]
    if a["sail"] == "square":
        for low, high, wide in ((0.22, 0.58, 0.5), (0.64, 0.94, 0.4)):
            middle, size = deck + tall * (low + high) / 2, tall * (high - low)
            sheet = box((wide, size, 0.045), at=(0, middle, z + 0.05), radius=0.02, cells=3)
            sheet.vertices[:, 2] += 0.05 * (1.0 - (sheet.vertices[:, 0] * 2 / wide) ** 2)
            parts.append(sheet.painted(sail_paint))
            parts.append(
                tube(
                    [(-wide / 2 - 0.03, deck + tall * high, z + 0.04), (wide / 2 + 0.03, deck + tall * high, z + 0.04)],
                    0.048,
                ).painted(spar)
            )
        return parts
    boom = deck + 0.13
    parts.append(tube([(0, boom, z), (0, boom, z - room)], 0.048).painted(spar))
    parts.append(
        _sail([(boom - 0.01, z - 0.01), (top - 0.03, z - 0.01), (boom - 0.01, z - room)], 0.04).painted(sail_paint)
    )
    if a["jib"] == "one":
        front = hull.length / 2 - 0.03
        jib = [(hull.gunwale(front), front), (top - 0.08, z + 0.035), (deck + 0.08, z + 0.05)]
        parts.append(_sail(jib, 0.03).painted(jib_paint))
    return parts
