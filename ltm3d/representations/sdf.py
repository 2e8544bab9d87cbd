"""Signed distance as a training target: surface points, and queries with their distances.

Letters: S surface points, Q queries.
"""

from dataclasses import dataclass

import numpy as np

from ltm3d.errors import ConfigError
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.sampling import sample_surface
from ltm3d.geometry.signed_distance import SignedDistance


@dataclass(frozen=True, kw_only=True)
class SdfTargetConfig:
    """How many points of each kind one object gets.

    Attributes:
        num_surface: points on the surface, with normals.
        num_volume: queries uniform in [-1, 1]^3.
        num_near: queries near the surface, the same number for each of `near_std`.
        near_std: standard deviations of the Gaussian offsets from the surface, in normalised units.
    """

    num_surface: int = 8192
    num_volume: int = 8192
    num_near: int = 16384
    near_std: tuple[float, ...] = (0.005, 0.05)

    def __post_init__(self) -> None:
        object.__setattr__(self, "near_std", tuple(self.near_std))
        for name in ("num_surface", "num_volume", "num_near"):
            if not 1 <= getattr(self, name) <= 10_000_000:
                raise ConfigError(f"{name} {getattr(self, name)} is out of range; use 1 to 10,000,000")
        if not self.near_std or min(self.near_std) <= 0 or max(self.near_std) > 1:
            raise ConfigError(f"near_std {self.near_std} is out of range; give one or more values in (0, 1]")


def build_sdf_target(
    mesh: Mesh, *, config: SdfTargetConfig, rng: np.random.Generator, distance: SignedDistance | None = None
) -> dict[str, np.ndarray]:
    """Return the fields `schema.SDF_TARGETS` of a mesh in the normalised frame, float16, in random order.

    Queries are rounded to float16 before they are labelled, so the distances belong to the points as stored. Distances
    are not cut. Normals follow the mesh's winding.

    Args:
        distance: the mesh's own, where the caller has it already.

    Raises:
        AssetError: `no_surface`, the mesh has no area.
    """
    surface = sample_surface(mesh, config.num_surface, rng)
    near_points = sample_surface(mesh, config.num_near, rng).points
    std = np.resize(np.array(config.near_std, np.float32), config.num_near)[:, None]
    near = near_points + std * rng.standard_normal((config.num_near, 3), dtype=np.float32)
    near = np.clip(near, -1, 1).astype(np.float16)
    volume = rng.uniform(-1, 1, (config.num_volume, 3)).astype(np.float16)
    queries = np.concatenate([volume, near])
    sdf = (distance or SignedDistance(mesh))(queries.astype(np.float32)).astype(np.float16)
    labelled = np.concatenate([queries, sdf[:, None]], axis=1)
    points = np.concatenate([surface.points, surface.normals], axis=1).astype(np.float16)
    return {
        "surface": points[rng.permutation(config.num_surface)],
        "volume": labelled[: config.num_volume],
        "near": labelled[config.num_volume :][rng.permutation(config.num_near)],
    }
