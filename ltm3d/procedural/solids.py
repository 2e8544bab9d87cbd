"""The parts that procedural objects are put together from: closed surfaces, wound outwards.

Frame: y up, front +z, ground at y = 0, longest side about 1. Letters: N vertices, F faces, R rings, S points a ring,
K points of a path.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int

Point = tuple[float, float, float]
Rgb = tuple[int, int, int]
Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Part:
    """One closed component with one colour.

    Attributes:
        vertices: float64 [N, 3].
        faces: int64 [F, 3], wound outwards.
        color: sRGB, 0 to 255.
    """

    vertices: Float[Array, "N 3"]
    faces: Int[Array, "F 3"]
    color: Rgb = (160, 160, 160)

    def painted(self, color: Rgb) -> "Part":
        """Give the part another colour."""
        return replace(self, color=color)

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> "Part":
        """Shift the part."""
        return replace(self, vertices=self.vertices + np.array([x, y, z]))

    def turned(self, axis: str, degrees: float, about: Point = (0.0, 0.0, 0.0)) -> "Part":
        """Rotate the part about an axis (`x`, `y` or `z`) through a point, right-handed."""
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        rotation = np.eye(3)
        first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
        rotation[[first, second], [first, second]] = cos
        rotation[first, second], rotation[second, first] = -sin, sin
        centre = np.array(about)
        return replace(self, vertices=(self.vertices - centre) @ rotation.T + centre)

    def scaled(self, x: float = 1.0, y: float = 1.0, z: float = 1.0) -> "Part":
        """Scale the part about the origin by positive factors."""
        return replace(self, vertices=self.vertices * np.array([x, y, z]))

    def mirrored(self) -> "Part":
        """Reflect the part at the plane x = 0 and keep it wound outwards."""
        return replace(self, vertices=self.vertices * np.array([-1.0, 1.0, 1.0]), faces=self.faces[:, ::-1])


def both_sides(*parts: Part) -> list[Part]:
    """Return the parts and their reflections at x = 0."""
    return [*parts, *(part.mirrored() for part in parts)]


def signed_volume(vertices: Float[Array, "N 3"], faces: Int[Array, "F 3"]) -> float:
    """Return the volume that a closed surface encloses; positive if it is wound outwards."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    cross_x = b[:, 1] * c[:, 2] - b[:, 2] * c[:, 1]
    cross_y = b[:, 2] * c[:, 0] - b[:, 0] * c[:, 2]
    cross_z = b[:, 0] * c[:, 1] - b[:, 1] * c[:, 0]
    return float((a[:, 0] * cross_x + a[:, 1] * cross_y + a[:, 2] * cross_z).sum() / 6.0)


def _outward(vertices: Float[Array, "N 3"], faces: Int[Array, "F 3"]) -> Part:
    return Part(vertices, faces if signed_volume(vertices, faces) > 0 else faces[:, ::-1])


@lru_cache(maxsize=64)
def _lattice_surface(nx: int, ny: int, nz: int) -> tuple[Array, Array]:
    """Return the lattice indices [N, 3] of a block's surface nodes and its triangles [F, 3]."""
    inside = np.zeros((nx, ny, nz), dtype=bool)
    inside[1:-1, 1:-1, 1:-1] = True
    nodes = np.argwhere(~inside)
    number = np.full((nx, ny, nz), -1, dtype=np.int64)
    number[tuple(nodes.T)] = np.arange(len(nodes))
    triangles = []
    for axis in range(3):
        for side, flip in ((0, True), (-1, False)):
            sheet = np.take(number, side, axis=axis)
            if axis == 1:
                flip = not flip
            a, b, c, d = sheet[:-1, :-1], sheet[1:, :-1], sheet[1:, 1:], sheet[:-1, 1:]
            quads = np.stack([a, b, c, a, c, d] if not flip else [a, c, b, a, d, c], axis=-1)
            triangles.append(quads.reshape(-1, 3))
    return nodes, np.concatenate(triangles)


def box(
    size: Point,
    *,
    at: Point = (0.0, 0.0, 0.0),
    radius: float = 0.012,
    bevels: int = 1,
    bulge: float = 0.0,
    cells: int = 1,
) -> Part:
    """Make a box with rounded edges around the point `at`.

    Args:
        radius: of the edges; limited to half of the shortest side.
        bevels: facets an eighth of a turn of the edge.
        bulge: how far the middle of the top and bottom swell, for cushions (needs some `cells`).
        cells: subdivisions of the flat middle, an axis.
    """
    half = np.array(size) / 2.0
    radius = float(min(radius, half.min() * 0.98))
    edge = radius * np.tan(np.linspace(0.0, np.pi / 4.0, bevels + 1))
    nodes, faces = _lattice_surface(*[2 * bevels + cells + 1] * 3)
    flat = half - radius
    axes = [np.concatenate([-f - edge[:0:-1], np.linspace(-f, f, cells + 1), f + edge[1:]]) for f in flat]
    points = np.stack([axes[axis][nodes[:, axis]] for axis in range(3)], axis=1)
    inner = np.clip(points, -flat, flat)
    offset = points - inner
    points = inner + offset * (radius / np.linalg.norm(offset, axis=1, keepdims=True))
    if bulge:
        x, y, z = (points / half).T
        points[:, 1] += bulge * np.sign(y) * (1.0 - x**2) * (1.0 - z**2)
    return Part(points + np.array(at), faces)


def cushion(size: Point, *, at: Point = (0.0, 0.0, 0.0), softness: float = 0.4) -> Part:
    """Make an upholstered block; `softness` is the edge radius as a share of the shortest side."""
    return box(size, at=at, radius=softness * min(size), bevels=2, bulge=0.12 * min(size), cells=2)


@lru_cache(maxsize=256)
def _loft_faces(num_rings: int, num_points: int, closed: bool) -> Array:
    """Return the triangles of a loft; the caps' centres are the two vertices after the rings."""
    ring = np.arange(num_rings)[:, None]
    along = np.arange(num_points)[None, :]
    if not closed:
        ring = ring[:-1]
    after, beside = (ring + 1) % num_rings, (along + 1) % num_points
    a, b = ring * num_points + along, ring * num_points + beside
    c, d = after * num_points + beside, after * num_points + along
    sides = np.stack([a, b, c, a, c, d], axis=-1).reshape(-1, 3)
    if closed:
        return sides
    start, end = num_rings * num_points, num_rings * num_points + 1
    around, nxt = along[0], beside[0]
    last = (num_rings - 1) * num_points
    first_cap = np.stack([np.full_like(around, start), nxt, around], axis=1)
    last_cap = np.stack([np.full_like(around, end), last + around, last + nxt], axis=1)
    return np.concatenate([sides, first_cap, last_cap])


def loft(rings: Float[Array, "R S 3"], *, start: Point | None = None, end: Point | None = None) -> Part:
    """Join rings to a closed surface; the caps are fans about `start` and `end` (else the end rings' centres)."""
    num_rings, num_points, _ = rings.shape
    caps = [rings[0].mean(axis=0) if start is None else start, rings[-1].mean(axis=0) if end is None else end]
    vertices = np.concatenate([rings.reshape(-1, 3), np.array(caps)])
    return _outward(vertices, _loft_faces(num_rings, num_points, False))


def loop_loft(rings: Float[Array, "R S 3"]) -> Part:
    """Join rings to a closed surface of a torus's kind: the last ring meets the first."""
    return _outward(rings.reshape(-1, 3), _loft_faces(rings.shape[0], rings.shape[1], True))


@lru_cache(maxsize=64)
def section(kind: str, num_points: int = 16) -> Float[Array, "S 2"]:
    """Return a cross-section of width 2 around the origin: `round` or `square` (corners rounded)."""
    angle = 2.0 * np.pi * (np.arange(num_points) + 0.5) / num_points
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    if kind == "round":
        return circle
    assert kind == "square", kind
    return np.sign(circle) * 0.72 + 0.28 * circle


def post(bottom: Point, top: Point, width: float, top_width: float | None = None, *, kind: str = "round") -> Part:
    """Make a leg or pillar whose cross-sections are horizontal; widths are diameters."""
    share = np.linspace(0.0, 1.0, 4)[:, None]
    centres = np.array(bottom) * (1.0 - share) + np.array(top) * share
    widths = width * (1.0 - share) + (width if top_width is None else top_width) * share
    flat = section(kind)
    rings = np.stack([flat[:, 0], np.zeros(len(flat)), flat[:, 1]], axis=1)
    return loft(centres[:, None, :] + rings[None] * widths[:, None] / 2.0)


def slab(outline: Float[Array, "S 2"], height: float, *, at: Point = (0.0, 0.0, 0.0), bevel: float = 0.012) -> Part:
    """Make a flat plate from an outline (x, z), star-shaped about its centre, with bevelled edges, centred on `at`."""
    bevel = min(bevel, 0.45 * height)
    centre = outline.mean(axis=0)
    reach = np.linalg.norm(outline - centre, axis=1, keepdims=True)
    turn = np.radians([0.0, 45.0, 90.0])
    rows = [(bevel * (1 - np.cos(t)) - height / 2, bevel * (1 - np.sin(t))) for t in turn]
    rows += [(-y, inset) for y, inset in rows[::-1]]
    rings = np.empty((len(rows), len(outline), 3))
    for ring, (y, inset) in zip(rings, rows, strict=True):
        ring[:, [0, 2]] = centre + (outline - centre) * (1.0 - inset / reach)
        ring[:, 1] = y
    return loft(rings).moved(*at)
