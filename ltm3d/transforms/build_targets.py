"""Meshes → training targets of one kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ltm3d.errors import ConfigError
from ltm3d.geometry.mesh import Mesh
from ltm3d.representations.gaussians import GaussiansTargetConfig, build_gaussians_target
from ltm3d.representations.mesh import MeshTargetConfig, build_mesh_target
from ltm3d.representations.point_cloud import PointCloudTargetConfig, build_point_cloud_target
from ltm3d.representations.sdf import SdfTargetConfig, build_sdf_target
from ltm3d.schema import GAUSSIANS_TARGETS, MESH_TARGETS, POINT_CLOUD_TARGETS, SDF_TARGETS, Field
from ltm3d.shards.ledger import check_fraction
from ltm3d.shards.meshes import mesh_at
from ltm3d.shards.read import read_shard
from ltm3d.transforms.assets import Asset, asset_rng, map_assets, positions
from ltm3d.transforms.isolation import ChildLimits, run_isolated
from ltm3d.transforms.mapping import ShardJob, ShardResult

Build = Callable[..., tuple[Mapping[str, np.ndarray], Mapping[str, float]]]


@dataclass(frozen=True, kw_only=True)
class TargetsConfig:
    """What one asset may take for its targets.

    Attributes:
        child: limits of the process that builds them.
    """

    child: ChildLimits = field(default_factory=ChildLimits)
    max_reject_fraction: float = 0.02

    def __post_init__(self) -> None:
        check_fraction("max_reject_fraction", self.max_reject_fraction)


@dataclass(frozen=True, kw_only=True)
class SdfTargetsConfig(TargetsConfig):
    """Signed distances."""

    target: SdfTargetConfig = field(default_factory=SdfTargetConfig)


@dataclass(frozen=True, kw_only=True)
class PointCloudTargetsConfig(TargetsConfig):
    """Coloured points."""

    target: PointCloudTargetConfig = field(default_factory=PointCloudTargetConfig)


@dataclass(frozen=True, kw_only=True)
class MeshTargetsConfig(TargetsConfig):
    """Quantised faces."""

    target: MeshTargetConfig = field(default_factory=MeshTargetConfig)


@dataclass(frozen=True, kw_only=True)
class GaussiansTargetsConfig(TargetsConfig):
    """3D Gaussians."""

    target: GaussiansTargetConfig = field(default_factory=GaussiansTargetConfig)


@dataclass(frozen=True, kw_only=True)
class TargetKind:
    """How one kind of target is built.

    Attributes:
        config: its settings, with the builder's own under `target`.
        build: mesh, config, rng → arrays by field, and facts for the asset's record.
        code_version: raised where the same input and settings give other bytes: here, in its builder or in geometry.
    """

    config: type[Any]
    fields: tuple[Field, ...]
    build: Build
    code_version: int = 4


TARGETS = {
    "sdf": TargetKind(config=SdfTargetsConfig, fields=SDF_TARGETS, build=build_sdf_target),
    "point_cloud": TargetKind(
        config=PointCloudTargetsConfig, fields=POINT_CLOUD_TARGETS, build=build_point_cloud_target
    ),
    "mesh": TargetKind(config=MeshTargetsConfig, fields=MESH_TARGETS, build=build_mesh_target),
    "gaussians": TargetKind(config=GaussiansTargetsConfig, fields=GAUSSIANS_TARGETS, build=build_gaussians_target),
}


def target_kind(target: str) -> TargetKind:
    """Give what builds a target."""
    if target not in TARGETS:
        raise ConfigError(f"{target!r} is no target; one of {', '.join(TARGETS)}")
    return TARGETS[target]


def build_targets_shard(job: ShardJob, *, target: str, config: Any, seed: int) -> ShardResult:
    """Build the targets of one shard of meshes; what is drawn for an asset depends on (seed, uid)."""
    meshes = read_shard(job.inputs[0])
    places = positions(meshes, job.uids)
    kind = target_kind(target)

    def build(uid: str) -> Asset:
        return run_isolated(
            build_one,
            kind.build,
            mesh_at(meshes, places[uid]),
            config.target,
            asset_rng(seed, uid),
            timeout_s=config.child.timeout_s,
            memory_mb=config.child.memory_mb,
        )

    return map_assets(places, build, fields=kind.fields)


def build_one(build: Build, mesh: Mesh, config: Any, rng: np.random.Generator) -> Asset:
    """Call a builder with its arguments by name."""
    return build(mesh, config=config, rng=rng)
