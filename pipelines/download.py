"""Fetch the objects of all sources → data/raw."""

from functools import cache, partial

from ltm3d.schema import RAW
from ltm3d.sources.kinds import build_sources
from ltm3d.sources.source import combine_sources
from ltm3d.transforms.download import DownloadConfig, download_shard, plan_download
from ltm3d.transforms.mapping import map_shards
from pipelines import _stage

LIBRARIES = ("numpy", "manifold3d", "trimesh")  # whose versions are part of the key


def main() -> None:
    """List the objects, fetch what is not there yet, remove what no source lists any more."""
    with _stage.stage("download", minutes="half a minute", disk="80 MB") as stage:
        config = stage.params.get("download", DownloadConfig)
        objects = combine_sources(build_sources(stage.params.value("sources", list)))
        jobs, sources = plan_download(
            objects,
            config=config,
            folder=stage.state_dir / "plan",
            raw=stage.data / "raw",
            code=cache(stage.code_with),
        )
        stage.start_ray()
        ledger = map_shards(
            jobs,
            partial(download_shard, sources=sources),
            fields=RAW,
            output=stage.data / "raw",
            num_workers=stage.resources.num_workers,
            label=stage.name,
            max_reject_fraction=config.max_reject_fraction,
        )
        stage.tracker.log_metrics({**ledger.metrics(), "num_tasks": ledger.num_tasks})


if __name__ == "__main__":
    _stage.run(main)
