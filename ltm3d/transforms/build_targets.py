"""Meshes → training targets of one representation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ltm3d.errors import ConfigError
from ltm3d.geometry.mesh import Mesh
from ltm3d.representations.sdf import SdfTargetConfig, build_sdf_target
from ltm3d.schema import SDF_TARGETS, Field
from ltm3d.shards.ledger import check_fraction
from ltm3d.shards.meshes import mesh_at
from ltm3d.shards.read import read_shard
from ltm3d.transforms.assets import Asset, asset_rng, map_assets, positions
from ltm3d.transforms.isolation import ChildLimits, run_isolated
from ltm3d.transforms.mapping import ShardJob, ShardResult

CODE_VERSION = 1  # raise it when the same input and settings give other bytes: here, in representations or geometry


@dataclass(frozen=True, kw_only=True)
class SdfTargetsConfig:
    """The points of each asset, and what one asset may take for them.

    Attributes:
        child: limits of the process that measures distances.
    """

    points: SdfTargetConfig = field(default_factory=SdfTargetConfig)
    child: ChildLimits = field(default_factory=ChildLimits)
    max_reject_fraction: float = 0.02

    def __post_init__(self) -> None:
        check_fraction("max_reject_fraction", self.max_reject_fraction)


@dataclass(frozen=True, kw_only=True)
class TargetKind:
    """How the targets of one representation are built: settings, fields, and mesh → arrays by field."""

    config: type[Any]
    fields: tuple[Field, ...]
    build: Callable[[Mesh, Any, np.random.Generator], Mapping[str, np.ndarray]]


def build_sdf(mesh: Mesh, config: SdfTargetsConfig, rng: np.random.Generator) -> Mapping[str, np.ndarray]:
    """Build the fields `schema.SDF_TARGETS` of one mesh."""
    return build_sdf_target(mesh, config=config.points, rng=rng)


TARGETS = {"sdf": TargetKind(config=SdfTargetsConfig, fields=SDF_TARGETS, build=build_sdf)}


def target_kind(representation: str) -> TargetKind:
    """Give what builds a representation's targets."""
    if representation not in TARGETS:
        raise ConfigError(f"{representation!r} is no representation; one of {', '.join(TARGETS)}")
    return TARGETS[representation]


def build_targets_shard(job: ShardJob, *, representation: str, config: Any, seed: int) -> ShardResult:
    """Build the targets of one shard of meshes; the points of an asset depend on (seed, uid)."""
    meshes = read_shard(job.inputs[0])
    places = positions(meshes, job.uids)
    kind = target_kind(representation)

    def build(uid: str) -> Asset:
        arrays = run_isolated(
            kind.build,
            mesh_at(meshes, places[uid]),
            config,
            asset_rng(seed, uid),
            timeout_s=config.child.timeout_s,
            memory_mb=config.child.memory_mb,
        )
        return arrays, {}

    return map_assets(places, build, fields=kind.fields)
