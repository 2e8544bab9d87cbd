"""Encode targets to latent tokens with the trained tokenizer → data/tokens/R."""

from ltm3d import schema
from ltm3d.nn.weights import weights_hash
from ltm3d.shards.available import available, uids_by_shard
from ltm3d.transforms.encode_tokens import EncodeTokensConfig, TokenEncoder
from ltm3d.transforms.mapping import map_shards_with_model, plan_jobs
from pipelines import _stage

LIBRARIES = ("numpy", "torch")  # whose versions are part of the key


def main(representation: str) -> None:
    """Cache the posterior's moments of every asset; samples are drawn anew at each training step."""
    with _stage.stage("encode_tokens", representation=representation, minutes="1 minute", disk="10 MB") as stage:
        config = stage.params.get("encode_tokens", EncodeTokensConfig)
        tokenizer = (stage.data / "models" / "tokenizer" / representation).absolute()
        jobs = plan_jobs(
            uids_by_shard(available(stage.data, f"targets/{representation}")),
            inputs=[stage.data / "targets" / representation],
            key_parts=[config, schema.TOKENS, weights_hash(tokenizer)],
            code=stage.code,
        )
        stage.start_ray()
        ledger = map_shards_with_model(
            jobs,
            TokenEncoder,
            (tokenizer, config),
            fields=schema.TOKENS,
            output=stage.data / "tokens" / representation,
            num_workers=stage.resources.num_workers,
            label=f"encode_tokens@{representation}",
            max_reject_fraction=config.max_reject_fraction,
        )
        stage.tracker.log_metrics({"num_assets": sum(len(job.uids) for job in jobs), "num_tasks": ledger.num_tasks})


if __name__ == "__main__":
    _stage.run(main)
