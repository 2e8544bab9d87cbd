"""Fewer faces at a bounded error: quadric error metrics (Garland and Heckbert 1997), checked by sampled distances."""

import numpy as np

from ltm3d.errors import AssetError
from ltm3d.geometry.cleaning import clean_mesh
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.surface_points import sample_surface
from ltm3d.geometry.triangle_tree import TriangleTree

_NUM_PROBES = 10_000  # points of each surface that are measured against the other
_BOUNDARY_WEIGHT = 10.0  # how dearly an open border is kept


def decimate(mesh: Mesh, *, max_faces: int, max_error: float, rng: np.random.Generator) -> tuple[Mesh, float]:
    """Bring a mesh to at most `max_faces` faces, without colours, and return it with its error.

    The error is the largest of the sampled distances from either surface to the other, in the mesh's units.

    Raises:
        AssetError: `too_complex` where the error is above `max_error`, or the faces cannot be made so few.
    """
    welded = clean_mesh(Mesh(mesh.vertices, mesh.faces))
    if len(welded.faces) <= max_faces:
        return welded, 0.0
    fewer = _collapse_edges(welded, max_faces)
    if not 0 < len(fewer.faces) <= max_faces:
        raise AssetError(
            "too_complex", f"{len(mesh.faces):,} faces can be made {len(fewer.faces):,}, not {max_faces:,}"
        )
    error = surface_deviation(welded, fewer, rng)
    if error > max_error:
        raise AssetError(
            "too_complex",
            f"{len(mesh.faces):,} faces made {len(fewer.faces):,} lie {error:.4f} off; the limit is {max_error:g}",
        )
    return fewer, error


def surface_deviation(first: Mesh, second: Mesh, rng: np.random.Generator) -> float:
    """Return the largest distance from points of either surface to the other: a sampled Hausdorff distance."""
    return max(_one_sided(first, second, rng), _one_sided(second, first, rng))


def _one_sided(source: Mesh, target: Mesh, rng: np.random.Generator) -> float:
    points = np.concatenate([sample_surface(source, _NUM_PROBES, rng).points, source.vertices])
    return float(np.linalg.norm(TriangleTree(target).closest_points(points)[0] - points, axis=1).max())


def _collapse_edges(mesh: Mesh, max_faces: int) -> Mesh:
    import open3d

    legacy = open3d.geometry.TriangleMesh(
        open3d.utility.Vector3dVector(mesh.vertices.astype(np.float64)),
        open3d.utility.Vector3iVector(mesh.faces.astype(np.int32)),
    )
    fewer = legacy.simplify_quadric_decimation(max_faces, boundary_weight=_BOUNDARY_WEIGHT)
    return clean_mesh(Mesh(np.asarray(fewer.vertices, np.float32), np.asarray(fewer.triangles, np.int64)))
