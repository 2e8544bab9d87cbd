"""Metrics of decoded faces beside distance and F-score (eval/v1, "Reconstruction")."""

from ltm3d.geometry.mesh import Mesh, is_watertight
from ltm3d.representations.mesh import quantize, sort_faces


def face_metrics(mesh: Mesh | None, target: Mesh, *, num_cells: int) -> dict[str, float]:
    """Compare a decoded mesh with the quantised one that it should be.

    Returns:
        `triangle_accuracy`: share of the true faces that are there, with all nine coordinates right;
        `is_watertight`: 1 or 0; `face_count_error`: | faces − true faces | / true faces.
    """
    if mesh is None:
        return {"triangle_accuracy": 0.0, "is_watertight": 0.0, "face_count_error": 1.0}
    true, made = (_faces(each, num_cells) for each in (target, mesh))
    return {
        "triangle_accuracy": len(true & made) / len(true),
        "is_watertight": float(is_watertight(mesh)),
        "face_count_error": abs(len(mesh.faces) - len(target.faces)) / len(target.faces),
    }


def _faces(mesh: Mesh, num_cells: int) -> set[bytes]:
    return {face.tobytes() for face in sort_faces(quantize(mesh.triangles, num_cells))}
