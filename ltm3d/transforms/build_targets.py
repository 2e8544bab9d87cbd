"""Meshes → training targets of one kind."""

from importlib import import_module
from typing import Any

import numpy as np

from ltm3d.errors import ConfigError
from ltm3d.geometry.mesh import Mesh
from ltm3d.shards.meshes import mesh_at
from ltm3d.shards.read import read_shard
from ltm3d.transforms.assets import Asset, asset_rng, map_assets, positions
from ltm3d.transforms.isolation import run_isolated
from ltm3d.transforms.mapping import ShardJob, ShardResult
from ltm3d.transforms.targets.kind import Build, TargetKind

TARGETS = ("sdf", "point_cloud", "mesh", "gaussians")


def target_kind(target: str) -> TargetKind:
    """Give what builds a target: `KIND` of its file in ltm3d/transforms/targets/."""
    if target not in TARGETS:
        raise ConfigError(f"{target!r} is no target; one of {', '.join(TARGETS)}")
    return import_module(f"ltm3d.transforms.targets.{target}").KIND


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
            limits=config.child,
        )

    return map_assets(places, build, fields=kind.fields)


def build_one(build: Build, mesh: Mesh, config: Any, rng: np.random.Generator) -> Asset:
    """Call a builder with its arguments by name."""
    return build(mesh, config=config, rng=rng)
