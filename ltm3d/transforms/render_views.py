"""Meshes → views: condition images with depth, normals and cameras."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ltm3d.geometry.mesh import Mesh
from ltm3d.rendering.cameras import ViewConfig, view_cameras, view_lights
from ltm3d.rendering.embree import render
from ltm3d.schema import VIEWS
from ltm3d.shards.ledger import check_fraction
from ltm3d.shards.meshes import mesh_at
from ltm3d.shards.read import read_shard
from ltm3d.transforms.assets import Asset, map_assets, positions
from ltm3d.transforms.isolation import ChildLimits, run_isolated
from ltm3d.transforms.mapping import ShardJob, ShardResult
from ltm3d.transforms.retries import MAX_TRIES, check_max_tries


@dataclass(frozen=True, kw_only=True)
class RenderConfig:
    """Which views are taken, and what one asset may take for them.

    Attributes:
        child: limits of the process that renders.
        max_tries: of an asset that ran out of time or memory, or crashed: one a run of the stage.
    """

    views: ViewConfig = field(default_factory=ViewConfig)
    child: ChildLimits = field(default_factory=ChildLimits)
    max_reject_fraction: float = 0.02
    max_tries: int = MAX_TRIES

    def __post_init__(self) -> None:
        check_fraction("max_reject_fraction", self.max_reject_fraction)
        check_max_tries(self.max_tries)


def render_shard(job: ShardJob, *, config: RenderConfig, seed: int) -> ShardResult:
    """Render the assets of one shard of meshes."""
    meshes = read_shard(job.inputs[0])
    places = positions(meshes, job.uids)

    def take(uid: str) -> Asset:
        views = run_isolated(
            render_views,
            mesh_at(meshes, places[uid]),
            config.views,
            seed,
            uid,
            limits=config.child,
        )
        return views, {}

    return map_assets(places, take, fields=VIEWS)


def render_views(mesh: Mesh, config: ViewConfig, seed: int, uid: str) -> Mapping[str, np.ndarray]:
    """Render all views of one object, as the fields `schema.VIEWS`; cameras and lights depend on (seed, uid)."""
    cameras = view_cameras(config, (seed, uid), mesh)
    lights = view_lights(config, (seed, uid))
    views = render(mesh, cameras, config=config, lights=lights)
    return {"images": views.images, "depth": views.depth, "normals": views.normals, "cameras": cameras}
