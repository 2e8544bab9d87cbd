"""Render every kept mesh → data/views."""

from functools import partial

from ltm3d.schema import VIEWS
from ltm3d.shards.available import uids_by_shard
from ltm3d.shards.index import read_index
from ltm3d.transforms.mapping import map_shards, plan_jobs
from ltm3d.transforms.render_views import RenderConfig, render_shard
from pipelines import _stage

LIBRARIES = ("numpy", "open3d")  # whose versions are part of the key


def main() -> None:
    """Take the condition images, with depth, normals and cameras."""
    with _stage.stage("render_views", minutes="1 minute", disk="600 MB") as stage:
        config = stage.params.get("render_views", RenderConfig)
        jobs = plan_jobs(
            uids_by_shard(read_index(stage.data / "meshes")),
            inputs=[stage.data / "meshes"],
            key_parts=[config.views, config.child, VIEWS, stage.seed],
            code=stage.code,
        )
        stage.start_ray()
        ledger = map_shards(
            jobs,
            partial(render_shard, config=config, seed=stage.seed),
            fields=VIEWS,
            output=stage.data / "views",
            num_workers=stage.resources.num_workers,
            label=stage.name,
            max_reject_fraction=config.max_reject_fraction,
            max_tries=config.max_tries,
        )
        stage.tracker.log_metrics({**ledger.metrics(), "num_tasks": ledger.num_tasks})


if __name__ == "__main__":
    _stage.run(main)
