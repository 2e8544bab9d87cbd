"""Shapes with a distance in closed form, as files are: turned, scaled, inward, open, nested, doubled, overlapping."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import trimesh
from shapes import box, box_distance, from_trimesh, inside_out, sphere, sphere_distance, torus, torus_distance

from ltm3d.geometry.mesh import Mesh, concatenate

Distance = Callable[[np.ndarray], np.ndarray]
TILT = trimesh.transformations.euler_matrix(0.4, 0.7, 0.2)[:3, :3]
CONE_HEIGHT, CONE_RADIUS = 1.5, 0.6
BALL_ERROR = 3e-3  # of the facets of an icosphere of 5,120 faces


@dataclass(frozen=True)
class Truth:
    """A file's mesh, the signed distances of its closed surfaces, and the facets' error in the normalised frame.

    The solid is the union of the surfaces.
    """

    mesh: Mesh
    surfaces: tuple[Distance, ...]
    error: float = 1e-3


def cone() -> Mesh:
    solid = trimesh.creation.cone(radius=CONE_RADIUS, height=CONE_HEIGHT, sections=256)  # along z, base at z = 0
    return from_trimesh(solid)


def cone_distance(points: np.ndarray) -> np.ndarray:
    """Closed form in the plane of axis and point: the nearer of the base and the slope."""
    r, z = np.hypot(points[:, 0], points[:, 1]), points[:, 2]
    slope = np.array([-CONE_RADIUS, CONE_HEIGHT])
    along = np.clip(((r - CONE_RADIUS) * slope[0] + z * slope[1]) / (slope @ slope), 0, 1)
    to_slope = np.hypot(r - CONE_RADIUS - along * slope[0], z - along * slope[1])
    to_base = np.hypot(np.maximum(r - CONE_RADIUS, 0), z)
    inside = (z > 0) & (r < CONE_RADIUS * (1 - z / CONE_HEIGHT))
    return np.where(inside, -1, 1) * np.minimum(to_slope, to_base)


def turned(mesh: Mesh) -> Mesh:
    return Mesh((mesh.vertices @ TILT.T).astype(np.float32), mesh.faces)


def scaled(mesh: Mesh, factor: float) -> Mesh:
    return Mesh(mesh.vertices * np.float32(factor), mesh.faces)


def flipped_at_random(mesh: Mesh) -> Mesh:
    faces = mesh.faces.copy()
    some = np.random.default_rng(0).random(len(faces)) < 0.3
    faces[some] = faces[some, ::-1]
    return Mesh(mesh.vertices, faces)


def lid(extents: tuple[float, float, float]) -> np.ndarray:
    """The faces of a box's top."""
    solid = box(extents)
    return (solid.triangles[:, :, 1] > extents[1] / 2 - 1e-6).all(axis=1)


def lidless(extents: tuple[float, float, float]) -> Distance:
    """Closed form: to the nearest of the four walls and the bottom; inside as with the lid on."""
    x, y, z = (extent / 2 for extent in extents)
    sides = [((-x, -x), (-y, y), (-z, z)), ((x, x), (-y, y), (-z, z)), ((-x, x), (-y, y), (-z, -z))]
    sides += [((-x, x), (-y, y), (z, z)), ((-x, x), (-y, -y), (-z, z))]

    def distance(points: np.ndarray) -> np.ndarray:
        to_sides = [np.linalg.norm(points - np.clip(points, *np.array(side, np.float64).T), axis=1) for side in sides]
        return np.where(box_distance(points, extents) < 0, -1, 1) * np.min(to_sides, axis=0)

    return distance


def ball(variant: int, radius: float = 0.8) -> Mesh:
    """A sphere whose facets lie elsewhere in each variant: equal surfaces would be duplicates."""
    spin = trimesh.transformations.euler_matrix(variant, 0.3 * variant, 0)[:3, :3]
    mesh = sphere(radius, subdivisions=4)
    return Mesh((mesh.vertices @ spin.T).astype(np.float32), mesh.faces)


def in_box(*extents: float, center: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Distance:
    return lambda points: box_distance(points, extents, center)


TRUTHS = {
    "sphere": Truth(ball(0), (sphere_distance,), BALL_ERROR),
    "sphere_inward": Truth(inside_out(ball(1)), (sphere_distance,), BALL_ERROR),
    "sphere_huge": Truth(scaled(ball(2), 1e5), (lambda p: 1e5 * sphere_distance(p / 1e5),), BALL_ERROR),
    "sphere_tiny": Truth(scaled(ball(3), 1e-5), (lambda p: 1e-5 * sphere_distance(p / 1e-5),), BALL_ERROR),
    "box": Truth(box((1.2, 0.8, 0.5)), (in_box(1.2, 0.8, 0.5),), 1e-5),
    "box_turned": Truth(turned(box((1.2, 0.8, 0.5))), (lambda p: box_distance(p @ TILT, (1.2, 0.8, 0.5)),), 1e-5),
    "box_flipped": Truth(flipped_at_random(box((1.2, 0.9, 0.5))), (in_box(1.2, 0.9, 0.5),), 1e-5),
    "box_doubled": Truth(
        concatenate([box((1.2, 0.6, 0.5)), inside_out(box((1.2, 0.6, 0.5)))]), (in_box(1.2, 0.6, 0.5),), 1e-5
    ),
    "torus": Truth(torus(), (torus_distance,), 2e-3),
    "torus_turned": Truth(turned(torus()), (lambda p: torus_distance(p @ TILT),), 2e-3),
    "cone": Truth(cone(), (cone_distance,)),
    "cone_inward_turned": Truth(inside_out(turned(cone())), (lambda p: cone_distance(p @ TILT),)),
    "apart": Truth(
        concatenate([box((1.2, 0.8, 0.5)), box((0.5, 1.4, 0.4), (2.0, 0.0, 0.0))]),
        (in_box(1.2, 0.8, 0.5), in_box(0.5, 1.4, 0.4, center=(2.0, 0.0, 0.0))),
        1e-5,
    ),
    "overlapping": Truth(
        concatenate([box((1.2, 0.8, 0.5)), box((0.5, 1.4, 0.4))]), (in_box(1.2, 0.8, 0.5), in_box(0.5, 1.4, 0.4)), 1e-5
    ),
    "nested": Truth(
        concatenate([ball(4), inside_out(ball(5, 0.4))]),
        (lambda p: np.maximum(sphere_distance(p), -sphere_distance(p, 0.4)),),  # hollow: the cavity is outside
        BALL_ERROR,
    ),
    "open": Truth(  # without its lid: filled, and the distance is that to the five sides
        Mesh(box((1.1, 0.7, 0.9)).vertices, box((1.1, 0.7, 0.9)).faces[~lid((1.1, 0.7, 0.9))]),
        (lidless((1.1, 0.7, 0.9)),),
        1e-5,
    ),
}
