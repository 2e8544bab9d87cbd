"""The text prompt of every asset → data/captions/captions.json."""

import json

from ltm3d.nn.weights import PROVENANCE_FILE
from ltm3d.shards.available import available, uids_by_shard
from ltm3d.shards.captions import write_captions
from ltm3d.shards.read import iter_shards
from ltm3d.transforms.caption_views import CaptionConfig, Captioning
from ltm3d.transforms.mapping import map_shards_with_model, plan_jobs
from pipelines import _stage

LIBRARIES = ("numpy", "torch", "transformers", "pillow")  # whose versions are part of the key


def main() -> None:
    """Take the source's captions, or those that a model gives the views; an empty one stays the source's."""
    with _stage.stage("caption_views", minutes="10 seconds", disk="1 MB") as stage:
        config = stage.params.get("caption_views", CaptionConfig)
        entries = available(stage.data, "views")
        captions = {entry.uid: entry.caption for entry in entries}
        output = stage.data / "captions"
        output.mkdir(parents=True, exist_ok=True)
        if config.model is not None:
            jobs = plan_jobs(uids_by_shard(entries), inputs=[stage.data / "views"], key_parts=[config], code=stage.code)
            stage.start_ray()
            map_shards_with_model(
                jobs,
                Captioning,
                (config,),
                fields=(),
                output=output,
                num_workers=stage.resources.num_workers,
                label="caption_views",
                max_reject_fraction=0.0,
            )
            for shard in iter_shards(output):
                captions |= {
                    uid: record["caption"]
                    for uid, record in zip(shard.uids, shard.records, strict=True)
                    if record["caption"]
                }
        write_captions(output, captions)
        (output / PROVENANCE_FILE).write_text(json.dumps([dict(stage.code.provenance)], sort_keys=True) + "\n")
        stage.tracker.log_metrics(
            {"num_captions": len(captions), "num_different_captions": len(set(captions.values()))}
        )


if __name__ == "__main__":
    _stage.run(main)
