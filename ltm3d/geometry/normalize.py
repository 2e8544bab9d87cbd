"""The frame of all later stages: y up, front +z, centred, longest side of the bounding box in [-0.95, 0.95]."""

from dataclasses import dataclass, replace

import numpy as np

from ltm3d.errors import AssetError, ConfigError
from ltm3d.geometry.mesh import Mesh

HALF_EXTENT = 0.95
AXES = ("+x", "-x", "+y", "-y", "+z", "-z")


@dataclass(frozen=True)
class Normalization:
    """The way from the source's frame: normalised = (R · v - offset) · scale, R = `frame_rotation(up, front)`."""

    scale: float
    offset: tuple[float, float, float]

    def then(self, second: "Normalization") -> "Normalization":
        """Return both as one; the second turns nothing: ((R v - o1) s1 - o2) s2 = (R v - (o1 + o2 / s1)) s1 s2."""
        x, y, z = (first + later / self.scale for first, later in zip(self.offset, second.offset, strict=True))
        return Normalization(scale=self.scale * second.scale, offset=(x, y, z))


def axis_vector(axis: str) -> np.ndarray:
    """Return the unit vector of an axis name like `-z`, float64 [3]."""
    if axis not in AXES:
        raise ConfigError(f"axis {axis!r} is unknown; use one of {', '.join(AXES)}")
    vector = np.zeros(3)
    vector["xyz".index(axis[1])] = 1.0 if axis[0] == "+" else -1.0
    return vector


def frame_rotation(up: str, front: str) -> np.ndarray:
    """Return the proper rotation [3, 3] that takes `up` to +y and `front` to +z."""
    y, z = axis_vector(up), axis_vector(front)
    if abs(y @ z) > 0:
        raise ConfigError(f"up {up!r} and front {front!r} lie on one line; choose two different axes")
    return np.stack([np.cross(y, z), y, z])


def rotate_to_frame(vertices: np.ndarray, *, up: str, front: str) -> np.ndarray:
    """Rotate positions [N, 3] of a source with these axes to y up, front +z."""
    return (vertices.astype(np.float64) @ frame_rotation(up, front).T).astype(np.float32)


def normalize(
    mesh: Mesh, *, up: str = "+y", front: str = "+z", origin: np.ndarray | None = None
) -> tuple[Mesh, Normalization]:
    """Bring a mesh into the frame.

    Args:
        origin: where the mesh's own 0 lies in the source's frame [3]; see `LoadedAsset`.

    Raises:
        AssetError: `no_surface` where the bounding box has no extent, `non_finite` for NaN or infinity.
    """
    if not len(mesh.vertices):
        raise AssetError("no_surface", "no vertices")
    if not np.isfinite(mesh.vertices).all():
        raise AssetError("non_finite", "NaN or infinite coordinates")
    rotated = mesh.vertices.astype(np.float64) @ frame_rotation(up, front).T
    low, high = rotated.min(axis=0), rotated.max(axis=0)
    extent = float((high - low).max())
    if extent <= 0:
        raise AssetError("no_surface", "the bounding box has no extent")
    scale, offset = 2 * HALF_EXTENT / extent, (low + high) / 2
    place = np.zeros(3) if origin is None else frame_rotation(up, front) @ origin
    vertices = np.clip((rotated - offset) * scale, -HALF_EXTENT, HALF_EXTENT).astype(np.float32)
    x, y, z = (offset + place).tolist()
    return replace(mesh, vertices=vertices), Normalization(scale=scale, offset=(x, y, z))


def denormalize(vertices: np.ndarray, normalization: Normalization) -> np.ndarray:
    """Return normalised positions [N, 3] in the source's scale and place, still y up and front +z."""
    return (vertices / normalization.scale + np.asarray(normalization.offset)).astype(np.float32)
