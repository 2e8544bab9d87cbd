"""Build one kind of training target → data/targets/R."""

from functools import partial

from ltm3d.shards.available import uids_by_shard
from ltm3d.shards.index import read_index
from ltm3d.transforms.build_targets import build_targets_shard, target_kind
from ltm3d.transforms.mapping import map_shards, plan_jobs
from pipelines import _stage

LIBRARIES = ("numpy", "scipy", "open3d", "numba", "fpsample")  # whose versions are part of the key


def main(target: str) -> None:
    """Turn every kept mesh into the target, e.g. what a representation's tokenizer is trained on."""
    with _stage.stage("build_targets", target=target, minutes="1 minute", disk="310 MB") as stage:
        kind = target_kind(target)
        config = stage.params.get(f"build_targets.{target}", kind.config)
        jobs = plan_jobs(
            uids_by_shard(read_index(stage.data / "meshes")),
            inputs=[stage.data / "meshes"],
            key_parts=[config.target, config.child, kind.fields, stage.seed],
            code=stage.code,
        )
        stage.start_ray()
        ledger = map_shards(
            jobs,
            partial(build_targets_shard, target=target, config=config, seed=stage.seed),
            fields=kind.fields,
            output=stage.data / "targets" / target,
            num_workers=stage.resources.num_workers,
            label=f"{stage.name}@{target}",
            max_reject_fraction=config.max_reject_fraction,
            max_tries=config.max_tries,
        )
        stage.tracker.log_metrics({**ledger.metrics(), "num_tasks": ledger.num_tasks})


if __name__ == "__main__":
    _stage.run(main)
