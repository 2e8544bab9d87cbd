"""Generate shapes for the prompts of the test split → data/samples/R."""

from ltm3d.nn.weights import weights_hash
from ltm3d.shards.available import available, uids_by_shard
from ltm3d.tokenizers.kinds import tokenizer_kind
from ltm3d.tokenizers.shape import sample_fields
from ltm3d.transforms.mapping import map_shards_with_model, plan_jobs
from ltm3d.transforms.sample_shapes import SampleShapesConfig, ShapeSampler
from pipelines import _stage

LIBRARIES = ("numpy", "torch", "scikit-image")  # whose versions are part of the key


def main(representation: str) -> None:
    """Sample every prompt of every test asset with each seed."""
    with _stage.stage("sample_shapes", representation=representation, minutes="3 minutes", disk="420 MB") as stage:
        config = stage.params.get(f"sampling.{representation}", SampleShapesConfig)
        fields = sample_fields(tokenizer_kind(representation).shape_type)
        parts = ("tokenizer", "ltr", "generator")
        folders = [(stage.data / "models" / part / representation).absolute() for part in parts]
        jobs = plan_jobs(
            uids_by_shard(available(stage.data, "conditions", f"tokens/{representation}"), "test"),
            inputs=[stage.data / "conditions"],
            key_parts=[config, fields, [weights_hash(folder) for folder in folders]],
            code=stage.code,
        )
        stage.start_ray()
        ledger = map_shards_with_model(
            jobs,
            ShapeSampler,
            (*folders, config),
            fields=fields,
            output=stage.data / "samples" / representation,
            num_workers=stage.resources.num_workers,
            label=f"sample_shapes@{representation}",
            max_reject_fraction=config.max_reject_fraction,
        )
        stage.tracker.log_metrics({"num_tasks": ledger.num_tasks})


if __name__ == "__main__":
    _stage.run(main)
