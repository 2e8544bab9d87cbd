"""Train the generator, or the baseline in its place, on cached latents → data/models/generator/R."""

from functools import partial

from safetensors.torch import load_file

from ltm3d.generator.kinds import AnyGeneratorConfig, build_generator, build_trainable, uses_ltr
from ltm3d.generator.latent_data import LatentData
from ltm3d.generator.model import GeneratorConfig
from ltm3d.generator.sampling import SamplingConfig
from ltm3d.generator.sizes import measure_size
from ltm3d.nn.weights import load_state, weights_hash
from ltm3d.shards.manifest import key_of
from ltm3d.shards.read import ShardSet
from ltm3d.training.config import TrainingConfig
from ltm3d.transforms.audit_tokens import check_order
from pipelines import _stage
from pipelines._training import keep_provenance, run_training

LIBRARIES = ("numpy", "torch", "deepspeed")  # whose versions are part of the key


def main(representation: str) -> None:
    """Train the conditional distribution of the tokens."""
    with _stage.stage("train_generator", representation=representation, minutes="5 minutes", disk="120 MB") as stage:
        config = stage.params.value(f"generator.{representation}.model", AnyGeneratorConfig)
        training = stage.params.get(f"generator.{representation}.training", TrainingConfig)
        allow_unordered = stage.params.value(f"generator.{representation}.allow_unordered", bool)
        latents = LatentData.of(stage.data, representation)
        if not allow_unordered:
            check_order(latents.tokenizer)
        shape = latents.token_shape()
        ltr = (stage.data / "models" / "ltr" / representation).absolute() if uses_ltr(config) else None
        result = run_training(
            stage,
            config=training,
            run_key=key_of(config, latents.key(), weights_hash(ltr) if ltr else None),
            build_model=partial(build_trainable, config, shape, latents.condition_statistics(), ltr),
            build_examples=latents.train_examples,
            build_validation=latents.val_examples,
            flops_per_sample=None if stage.resources.peak_tflops is None else training_flops(config, latents),
        )
        model = build_generator(config, shape)
        load_state(model, load_file(result.weights), str(result.weights))
        output = stage.data / "models" / "generator" / representation
        model.save(output, tokenizer_hash=weights_hash(latents.tokenizer))
        keep_provenance(stage, output)


def training_flops(config: AnyGeneratorConfig, latents: LatentData) -> int | None:
    """Return the operations of one sample in one step; None for a model that is not counted."""
    if not isinstance(config, GeneratorConfig):
        return None
    conditions = ShardSet(latents.conditions, latents.train_uids[:1])
    num_tokens = conditions.get("image_tokens", 0).shape[1] + conditions.get("text_tokens", 0).shape[0]
    size = measure_size(config, latents.token_shape(), SamplingConfig(num_steps=1), num_condition_tokens=num_tokens)
    return size.training_flops


if __name__ == "__main__":
    _stage.run(main)
