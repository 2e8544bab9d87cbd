"""Train the tokenizer of a representation on the training split → data/models/tokenizer/R."""

from functools import partial
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from ltm3d.nn.weights import load_state
from ltm3d.shards.available import available
from ltm3d.shards.index import uids_of_split
from ltm3d.shards.manifest import key_of
from ltm3d.shards.read import ShardSet, list_shards
from ltm3d.tokenizers.kinds import kind_of, settings_type
from ltm3d.tokenizers.tokenizer import Tokenizer
from ltm3d.training.config import TrainingConfig
from ltm3d.training.data import ExampleSet
from ltm3d.transforms.audit_tokens import audit_set, write_audit
from ltm3d.transforms.encode_tokens import encode_set
from pipelines import _stage
from pipelines._training import keep_provenance, run_training

LIBRARIES = ("numpy", "torch", "deepspeed")  # whose versions are part of the key


def main(representation: str) -> None:
    """Train, take the latents' statistics over the training split, and audit the tokens on the validation split."""
    with _stage.stage("train_tokenizer", representation=representation, minutes="5 minutes", disk="60 MB") as stage:
        model_config = stage.params.value(f"tokenizer.{representation}.model", settings_type(representation))
        kind = kind_of(representation, model_config)
        example_config = stage.params.get(f"tokenizer.{representation}.examples", kind.example_config_type)
        kind.check_examples(model_config, example_config)
        training = stage.params.get(f"tokenizer.{representation}.training", TrainingConfig)
        root = (stage.data / "targets" / representation).absolute()
        entries = available(stage.data, f"targets/{representation}")
        train_uids, val_uids = uids_of_split(entries, "train"), uids_of_split(entries, "val")
        digests = [shard.digest for shard in list_shards(root)]
        result = run_training(
            stage,
            config=training,
            run_key=key_of(model_config, example_config, digests, train_uids),
            build_model=partial(kind, model_config),
            build_examples=partial(build_examples, kind, root, train_uids, example_config, augment=True),
            build_validation=partial(build_examples, kind, root, val_uids, example_config, augment=False),
        )
        tokenizer = kind(model_config)
        load_state(tokenizer, load_file(result.weights), str(result.weights))
        tokenizer.eval()
        num_surface = example_config.num_encoded
        train_posterior = encode_set(tokenizer, ShardSet(root, train_uids), num_surface=num_surface)
        tokenizer.set_latent_statistics(train_posterior.mean, train_posterior.std)
        audit = audit_set(tokenizer, ShardSet(root, val_uids), num_surface=num_surface)
        output = stage.data / "models" / "tokenizer" / representation
        tokenizer.save(output)
        keep_provenance(stage, output)
        write_audit(output, audit)
        stage.tracker.log_metrics({f"audit/{name}": float(value) for name, value in (audit or {}).items()})


def build_examples(kind: type[Tokenizer], root: Path, uids: list[str], config: Any, *, augment: bool) -> ExampleSet:
    """Open the targets of some assets."""
    return kind.examples(ShardSet(root, uids), config, augment=augment)


if __name__ == "__main__":
    _stage.run(main)
