"""Raw archives → clean meshes in one frame, their index and the test ids: data/meshes, data/metrics/test_ids.txt."""

from functools import partial

from ltm3d.mesh_io.draco import has_decoder
from ltm3d.schema import MESHES
from ltm3d.shards.read import list_shards
from ltm3d.transforms.clean_meshes import CleanConfig, clean_shard
from ltm3d.transforms.mapping import map_shards, plan_jobs
from ltm3d.transforms.splits import index_meshes
from pipelines import _stage

# Their versions are part of the key.
LIBRARIES = ("numpy", "scipy", "open3d", "numba", "scikit-image", "pillow", "mapbox-earcut")


def main() -> None:
    """Read every asset in a child process with limits, leave duplicates out, split the rest."""
    with _stage.stage("clean_meshes", minutes="1 minute", disk="100 MB") as stage:
        config = stage.params.get("clean_meshes", CleanConfig)
        raw, output = stage.data / "raw", stage.data / "meshes"
        jobs = plan_jobs(
            {shard.name: shard.uids for shard in list_shards(raw)},
            inputs=[raw],
            key_parts=[config.limits, config.child, config.shape, config.remesh, MESHES, has_decoder()],
            code=stage.code,
        )
        stage.start_ray()
        ledger = map_shards(
            jobs,
            partial(clean_shard, config=config),
            fields=MESHES,
            output=output,
            num_workers=stage.resources.num_workers,
            label=stage.name,
            max_reject_fraction=1.0,  # what is kept is indexed first
            max_tries=config.max_tries,
        )
        entries = index_meshes(
            output,
            ledger,
            val_fraction=config.val_fraction,
            test_fraction=config.test_fraction,
            test_ids=stage.data / "metrics" / "test_ids.txt",
        )
        ledger.check(config.max_reject_fraction)
        watertight = sum(entry.is_watertight for entry in entries) / len(entries)
        stage.tracker.log_metrics(
            {**ledger.metrics(), "num_tasks": ledger.num_tasks, "watertight_fraction": watertight}
        )


if __name__ == "__main__":
    _stage.run(main)
