"""Signed distance as a training target: surface points, and queries with their distances.

Letters: S surface points, E points on sharp edges, Q queries.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ltm3d.errors import AssetError, ConfigError
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.sharp_edges import MIN_ANGLE
from ltm3d.geometry.signed_distance import SignedDistance
from ltm3d.geometry.surface_points import SurfaceSamples, sample_surface
from ltm3d.representations.oriented_points import check_sharp_angle, sharp_points, surface_points

_NUM_PROBES, _PROBE_STEP = 512, 0.002
_FILLED = 0.1  # share of the inside that the winding number alone gives an open surface, from which on it is noted


@dataclass(frozen=True, kw_only=True)
class SdfTargetConfig:
    """How many points of each kind one object gets.

    Attributes:
        num_surface: points on the surface, uniform by area, with normals.
        num_sharp: points on sharp edges, uniform by length; by area on what has no such edge.
        sharp_angle: degrees between two faces from which on their edge is sharp.
        num_volume: queries uniform in [-1, 1]^3.
        num_near: queries near the surface, the same number for each of `near_std`.
        near_std: standard deviations of the Gaussian offsets from the surface, in normalised units.
        max_lost_surface: an object that loses more of its surface is left out as `lost_surface`; see `lost_surface`.
        min_inside_fraction: an object with less of [-1, 1]^3 inside is left out as `no_inside`.
    """

    num_surface: int = 8192
    num_sharp: int = 2048
    sharp_angle: float = MIN_ANGLE
    num_volume: int = 8192
    num_near: int = 16384
    near_std: tuple[float, ...] = (0.005, 0.05)
    max_lost_surface: float = 1.0
    min_inside_fraction: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "near_std", tuple(self.near_std))
        check_sharp_angle(self.sharp_angle)
        for name in ("num_surface", "num_sharp", "num_volume", "num_near"):
            if not 1 <= getattr(self, name) <= 10_000_000:
                raise ConfigError(f"{name} {getattr(self, name)} is out of range; use 1 to 10,000,000")
        for name in ("max_lost_surface", "min_inside_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} {getattr(self, name)} is out of range; use 0 to 1")
        if not self.near_std or min(self.near_std) <= 0 or max(self.near_std) > 1:
            raise ConfigError(f"near_std {self.near_std} is out of range; give one or more values in (0, 1]")


def build_sdf_target(
    mesh: Mesh, *, config: SdfTargetConfig, rng: np.random.Generator, distance: SignedDistance | None = None
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the fields `schema.SDF_TARGETS` of a mesh in the normalised frame, float16, in random order, and facts.

    Queries are rounded to float16 before they are labelled, so the distances belong to the points as stored. Distances
    are not cut. Normals follow the mesh's winding. The facts: see `SignedDistance` for signs, `sharp_points`,
    `lost_surface`; `inside_fraction` is the share of volume queries with a negative distance; `notes` say where an open
    surface, as a bowl of one sheet, is filled.

    Args:
        distance: the mesh's own, where the caller has it already.

    Raises:
        AssetError: `no_surface`, the mesh has no area; `lost_surface`, `no_inside` by the config's limits.
    """
    surface = surface_points(mesh, config.num_surface, rng)
    sharp, edges = sharp_points(mesh, config.num_sharp, rng, min_angle=config.sharp_angle)
    around = sample_surface(mesh, config.num_near, rng)
    std = np.resize(np.array(config.near_std, np.float32), config.num_near)[:, None]
    near = around.points + std * rng.standard_normal((config.num_near, 3), dtype=np.float32)
    near = np.clip(near, -1, 1).astype(np.float16)
    volume = rng.uniform(-1, 1, (config.num_volume, 3)).astype(np.float16)
    queries = np.concatenate([volume, near])
    distance = distance or SignedDistance(mesh)
    sdf = distance(queries.astype(np.float32)).astype(np.float16)
    labelled = np.concatenate([queries, sdf[:, None]], axis=1)
    target = {
        "surface": surface.points,
        "sharp": sharp.points,
        "volume": labelled[: config.num_volume],
        "near": labelled[config.num_volume :][rng.permutation(config.num_near)],
    }
    facts: dict[str, Any] = {
        **edges,
        "sign_disagreement": distance.sign_disagreement,
        "sign_by_winding": float(distance.sign_by_winding),
        "inside_by_flood_alone": distance.inside_by_one_alone[0],
        "inside_by_winding_alone": distance.inside_by_one_alone[1],
        "inside_fraction": float((sdf[: config.num_volume] < 0).mean()),
        "lost_surface": lost_surface(distance, around),
    }
    if not distance.sign_by_winding and facts["inside_by_winding_alone"] > _FILLED:
        share = facts["inside_by_winding_alone"]
        facts["notes"] = [f"an open surface is filled: {share:.0%} of the inside is so by the winding number alone"]
    if facts["lost_surface"] > config.max_lost_surface:
        raise AssetError(
            "lost_surface", f"{facts['lost_surface']:.3f}; max_lost_surface is {config.max_lost_surface:g}"
        )
    if facts["inside_fraction"] < config.min_inside_fraction:
        raise AssetError("no_inside", f"{facts['inside_fraction']:.4f}; the least is {config.min_inside_fraction:g}")
    return target, facts


def lost_surface(distance: SignedDistance, surface: SurfaceSamples) -> float:
    """Return the share of a surface that has the same sign on both of its sides, so that no level set has it.

    So it is with open sheets, which close nothing off, with faces within a solid, and with plates thinner than a step.

    Args:
        surface: evenly over the surface, in any order; some 500 of its points are asked for.
    """
    every = slice(None, None, max(1, len(surface.points) // _NUM_PROBES))
    points, step = surface.points[every], _PROBE_STEP * surface.normals[every]
    sides = distance(np.concatenate([points + step, points - step])) < 0
    return float((sides[: len(points)] == sides[len(points) :]).mean())
