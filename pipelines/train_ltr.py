"""Train Latent Token Reconstruction on cached latents → data/models/ltr/R."""

from functools import partial

from safetensors.torch import load_file

from ltm3d.generator.latent_data import LatentData
from ltm3d.generator.ltr import LTR, LTRConfig
from ltm3d.generator.standardization import ConditionStatistics
from ltm3d.generator.token_model import TokenShape
from ltm3d.nn.weights import load_state, weights_hash
from ltm3d.shards.manifest import key_of
from ltm3d.training.config import TrainingConfig
from pipelines import _stage
from pipelines._training import keep_provenance, run_training

LIBRARIES = ("numpy", "torch", "deepspeed")  # whose versions are part of the key


def main(representation: str) -> None:
    """Train the direct guess of all tokens from the prompt."""
    with _stage.stage("train_ltr", representation=representation, minutes="2 minutes", disk="60 MB") as stage:
        config = stage.params.get(f"ltr.{representation}.model", LTRConfig)
        training = stage.params.get(f"ltr.{representation}.training", TrainingConfig)
        latents = LatentData.of(stage.data, representation)
        shape = latents.token_shape()
        result = run_training(
            stage,
            config=training,
            run_key=key_of(config, latents.key()),
            build_model=partial(build_model, config, shape, latents.condition_statistics()),
            build_examples=latents.train_examples,
            build_validation=latents.val_examples,
        )
        model = LTR(config, shape)
        load_state(model, load_file(result.weights), str(result.weights))
        output = stage.data / "models" / "ltr" / representation
        model.save(output, tokenizer_hash=weights_hash(latents.tokenizer))
        keep_provenance(stage, output)


def build_model(config: LTRConfig, shape: TokenShape, statistics: ConditionStatistics) -> LTR:
    """Build the model for the training set's condition tokens; its first weights are set by the training seed."""
    model = LTR(config, shape)
    model.set_condition_statistics(statistics)
    return model


if __name__ == "__main__":
    _stage.run(main)
