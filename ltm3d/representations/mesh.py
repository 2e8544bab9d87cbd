"""The mesh itself as a training target: a sorted sequence of quantised faces (MeshGPT, arXiv 2311.15475, section 3.1).

A corner's cell along an axis is q = round((x + 1) / 2 · (B - 1)) for x in [-1, 1] and B cells, so that
x' = 2 q / (B - 1) - 1 is at most 1 / (B - 1) off on each axis.

Letters: F faces with padding, B cells along an axis.
"""

from dataclasses import dataclass

import numpy as np

from ltm3d.errors import AssetError, ConfigError
from ltm3d.geometry.mesh import Mesh, face_areas

PADDING = -1
_MIN_AREA = 1e-12


@dataclass(frozen=True, kw_only=True)
class MeshTargetConfig:
    """How an object's faces become a sequence.

    Attributes:
        max_faces: length of the sequence; meshes with more are decimated.
        num_cells: along each axis of [-1, 1]^3.
        max_decimation_error: largest sampled distance between the surfaces before and after, normalised units.
    """

    max_faces: int = 800
    num_cells: int = 1024
    max_decimation_error: float = 0.03

    def __post_init__(self) -> None:
        if not 4 <= self.max_faces <= 1_000_000:
            raise ConfigError(f"max_faces {self.max_faces} is out of range; use 4 to 1,000,000")
        if not 16 <= self.num_cells <= 32_767:
            raise ConfigError(f"num_cells {self.num_cells} is out of range; use 16 to 32,767 (int16)")
        if not 0 < self.max_decimation_error <= 2:
            raise ConfigError(f"max_decimation_error {self.max_decimation_error} is out of range; use above 0 to 2")


def build_mesh_target(
    mesh: Mesh, *, config: MeshTargetConfig, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Return the fields `schema.MESH_TARGETS` of a mesh in the normalised frame, and its errors.

    `decimation_error`: see `decimate`; `quantization_error`: the largest shift of a corner; `num_lost_faces`: those
    whose corners fall on one line of cells.

    Raises:
        AssetError: `no_surface`, `too_complex`.
    """
    from ltm3d.geometry.decimation import decimate  # not needed where a mesh is only decoded

    fewer, decimation_error = decimate(mesh, max_faces=config.max_faces, max_error=config.max_decimation_error, rng=rng)
    cells = quantize(fewer.vertices, config.num_cells)
    shift = np.linalg.norm(dequantize(cells, config.num_cells) - fewer.vertices, axis=1)
    sequence = sort_faces(cells[fewer.faces])
    if not len(sequence):
        raise AssetError("no_surface", f"no face is left on {config.num_cells} cells an axis; use more cells")
    triangles = np.full((config.max_faces, 3, 3), PADDING, np.int16)
    triangles[: len(sequence)] = sequence
    facts = {
        "num_target_faces": float(len(sequence)),
        "num_lost_faces": float(len(fewer.faces) - len(sequence)),
        "decimation_error": decimation_error,
        "quantization_error": float(shift.max()),
    }
    return {"triangles": triangles, "mask": np.arange(config.max_faces) < len(sequence)}, facts


def mesh_of_target(triangles: np.ndarray, mask: np.ndarray, *, num_cells: int) -> Mesh:
    """Return the welded mesh of a sequence of quantised faces [F, 3, 3] with its mask [F]."""
    cells, index = np.unique(triangles[mask].reshape(-1, 3), axis=0, return_inverse=True)
    return Mesh(dequantize(cells, num_cells), index.reshape(-1, 3))


def quantize(points: np.ndarray, num_cells: int) -> np.ndarray:
    """Return the cells int64 [..., 3] of points [..., 3]; what is outside [-1, 1] goes to the border."""
    scaled = (np.asarray(points, np.float64) + 1) * ((num_cells - 1) / 2)
    return np.clip(np.rint(scaled), 0, num_cells - 1).astype(np.int64)


def dequantize(cells: np.ndarray, num_cells: int) -> np.ndarray:
    """Return the centres float32 [..., 3] of cells [..., 3]."""
    return (np.asarray(cells, np.float64) * (2 / (num_cells - 1)) - 1).astype(np.float32)


def sort_faces(cells: np.ndarray) -> np.ndarray:
    """Return the faces int64 [F', 3, 3] that keep an area, each once, in the canonical order.

    Corners rank by height y, then z, then x. A face starts at its lowest corner and keeps its winding; faces go by
    their lowest corner, then the second, then the third.
    """
    faces = cells[face_areas(Mesh(cells.reshape(-1, 3), np.arange(cells.size // 3).reshape(-1, 3))) > _MIN_AREA]
    base = int(cells.max(initial=0)) + 1
    rank = (faces[..., 1] * base + faces[..., 2]) * base + faces[..., 0]  # [F, 3]
    turn = (rank.argmin(axis=1)[:, None] + np.arange(3)) % 3
    faces = np.take_along_axis(faces, turn[..., None], axis=1)
    rank = np.take_along_axis(rank, turn, axis=1)
    _, first = np.unique(rank, axis=0, return_index=True)
    return faces[first]
