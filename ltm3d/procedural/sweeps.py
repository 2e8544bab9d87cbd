"""Parts made by sweeping, revolving and lofting sections: tubes, rings, lathed bodies, wings and fuselages.

Letters: R rings, S points a ring, K points of a path.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from ltm3d.procedural.solids import Array, Part, Point, loft, loop_loft, section


def rounded_path(corners: Sequence[Point], radius: float, *, steps: int = 5) -> Float[Array, "K 3"]:
    """Return a polyline with its inner corners replaced by arcs-like curves (quadratic) of about a radius."""
    points = [np.array(corner) for corner in corners]
    path = [points[0]]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        into, out = before - corner, after - corner
        reach = min(radius, 0.49 * np.linalg.norm(into), 0.49 * np.linalg.norm(out))
        first, last = (corner + reach * edge / np.linalg.norm(edge) for edge in (into, out))
        for t in np.linspace(0.0, 1.0, steps):
            path.append((1 - t) ** 2 * first + 2 * t * (1 - t) * corner + t**2 * last)
    return np.array([*path, points[-1]])


def tube(
    path: Sequence[Point] | Float[Array, "K 3"],
    width: float | Float[Array, " K"],
    *,
    kind: str = "round",
    flatten: float = 1.0,
    closed: bool = False,
) -> Part:
    """Sweep a cross-section along a path.

    Args:
        width: diameter, one or one a point.
        flatten: factor on the width in the direction that starts nearest to the vertical.
        closed: the last point is joined to the first.
    """
    points = np.asarray(path, dtype=np.float64)
    around = np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)
    tangents = around if closed else np.gradient(points, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    spread = np.ptp(points, axis=0)
    plane = int(np.argmin(spread)) if spread.min() < 1e-9 else -1
    reference = np.array([0.0, 1.0, 0.0]) if abs(tangents[0, 1]) < 0.9 else np.array([0.0, 0.0, 1.0])
    if plane >= 0:
        across = np.eye(3)[plane]
        normal = np.broadcast_to(across, points.shape) if abs(reference[plane]) > 0.9 else np.cross(across, tangents)
        normal = normal * (1.0 if normal[0] @ reference >= 0 else -1.0)
    else:
        normal = np.empty_like(points)
        for row, tangent in enumerate(tangents):
            reference = reference - (reference @ tangent) * tangent
            reference = reference / np.linalg.norm(reference)
            normal[row] = reference
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    side = np.cross(tangents, normal)
    radius = np.broadcast_to(np.asarray(width, dtype=np.float64) / 2.0, (len(points),))[:, None, None]
    flat = section(kind, 12 if kind == "round" else 16)
    rings = points[:, None] + radius * (
        flat[None, :, :1] * side[:, None] + flatten * flat[None, :, 1:] * normal[:, None]
    )
    return loop_loft(rings) if closed else loft(rings)


def ring(
    radius: float,
    width: float,
    *,
    at: Point = (0.0, 0.0, 0.0),
    axis: str = "y",
    stretch: float = 1.0,
    steps: int = 28,
) -> Part:
    """Make a torus around an axis; `width` is the tube's diameter, `stretch` lengthens it upwards (axis x or z)."""
    angle = 2.0 * np.pi * np.arange(steps) / steps
    a, b, zero = radius * np.cos(angle), radius * np.sin(angle) * stretch, np.zeros(steps)
    path = {"x": (zero, b, a), "y": (a, zero, b), "z": (a, b, zero)}[axis]
    return tube(np.stack(path, axis=1), width, closed=True).moved(*at)


def lathe(profile: Sequence[tuple[float, float]], *, at: Point = (0.0, 0.0, 0.0), segments: int = 24) -> Part:
    """Revolve a profile of (radius, y) about the y axis; end points with radius 0 become poles."""
    rows = np.array(profile, dtype=np.float64)
    start = (0.0, float(rows[0, 1]), 0.0)
    end = (0.0, float(rows[-1, 1]), 0.0)
    rows = rows[rows[:, 0] > 0.0]
    return loft(_revolve(rows, segments), start=start, end=end).moved(*at)


def lathe_shell(profile: Sequence[tuple[float, float]], thickness: float, *, segments: int = 24) -> Part:
    """Revolve an open profile of (radius, y) into a hollow shell, open at both ends: thickness lies inside."""
    outer = np.array(profile, dtype=np.float64)
    direction = np.gradient(outer, axis=0)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    inner = outer - thickness * np.stack([np.abs(direction[:, 1]), np.zeros(len(outer))], axis=1)
    steep = np.abs(direction[:, 1]) < 0.6
    inner[steep] = outer[steep] - thickness * np.stack([direction[steep, 1], -direction[steep, 0]], axis=1)
    inner[:, 0] = np.maximum(inner[:, 0], 0.004)
    return loop_loft(_revolve(np.concatenate([outer, inner[::-1]]), segments))


def _revolve(rows: Float[Array, "R 2"], segments: int) -> Float[Array, "R S 3"]:
    angle = 2.0 * np.pi * np.arange(segments) / segments
    radius, height = rows[:, :1], np.broadcast_to(rows[:, 1:], (len(rows), segments))
    return np.stack([radius * np.cos(angle), height, radius * np.sin(angle)], axis=-1)


def ball(radius: float, *, at: Point = (0.0, 0.0, 0.0), squash: float = 1.0) -> Part:
    """Make a sphere, its height multiplied by `squash`."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 11)
    return lathe(
        [
            (max(float(np.cos(t)) * radius, 0.0) if abs(t) < 1.57 else 0.0, float(np.sin(t)) * radius * squash)
            for t in angle
        ],
        at=at,
        segments=20,
    )


def disc(radius: float, height: float, *, at: Point = (0.0, 0.0, 0.0), bevel: float = 0.012) -> Part:
    """Make a flat cylinder with a bevelled rim, centred on `at`."""
    bevel, half = min(bevel, 0.45 * height, 0.4 * radius), height / 2.0
    profile = [
        (0.0, -half),
        (radius - bevel, -half),
        (radius, bevel - half),
        (radius, half - bevel),
        (radius - bevel, half),
        (0.0, half),
    ]
    return lathe(profile, at=at)


def blade(stations: Sequence[tuple[Point, float, float]], *, thick: str = "y") -> Part:
    """Loft a wing or fin from stations of (centre, chord, thickness); chords lie along z.

    Args:
        thick: axis of the thickness: `y` for wings, `x` for fins.
    """
    angle = 2.0 * np.pi * np.arange(16) / 16
    cos, sin = np.cos(angle), np.sin(angle)
    along = np.sign(cos) * np.abs(cos) ** 0.8
    across = np.sign(sin) * np.abs(sin) ** 0.8 * (1.0 + 0.25 * cos)
    axis = np.array([1.0, 0.0, 0.0]) if thick == "x" else np.array([0.0, 1.0, 0.0])
    forward = np.array([0.0, 0.0, 1.0])
    rings = [
        np.array(centre) + along[:, None] * forward * chord / 2.0 + across[:, None] * axis * thickness / 2.0
        for centre, chord, thickness in stations
    ]
    return loft(np.stack(rings))


def fuselage(stations: Sequence[tuple[float, float, float, float]], *, squareness: float = 0.0) -> Part:
    """Loft a body along z from stations of (z, y of the centre, half width, half height).

    Args:
        squareness: 0 for elliptic sections, towards 1 for boxy ones.
    """
    circle = section("round", 20)
    flat = np.sign(circle) * np.abs(circle) ** (1.0 - 0.6 * squareness)
    rings = [np.stack([x * flat[:, 0], y + h * flat[:, 1], np.full(20, z)], axis=1) for z, y, x, h in stations]
    return loft(np.stack(rings))
