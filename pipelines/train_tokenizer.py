"""Train the tokenizer of a representation on the training split → data/models/tokenizer/R."""

import json
from functools import partial
from pathlib import Path

from safetensors.torch import load_file

from ltm3d.nn.weights import load_state
from ltm3d.shards.index import uids_of_split
from ltm3d.shards.plan import key_of
from ltm3d.shards.read import ShardSet, list_shards
from ltm3d.tokenizers.audit import audit_tokens
from ltm3d.tokenizers.examples import SdfExampleConfig, SdfExamples
from ltm3d.tokenizers.sdf import SdfTokenizer, SdfTokenizerConfig
from ltm3d.training.config import TrainingConfig
from ltm3d.transforms.encode_tokens import encode_set
from pipelines import _stage
from pipelines._planning import available
from pipelines._training import run_training

CODE_VERSION = 1


def main(representation: str) -> None:
    """Train, take the latents' statistics over the training split, and audit the tokens on the validation split."""
    with _stage.stage("train_tokenizer", representation=representation, minutes="5 minutes", disk="60 MB") as stage:
        model_config = stage.params.get(f"tokenizer.{representation}.model", SdfTokenizerConfig)
        example_config = stage.params.get(f"tokenizer.{representation}.examples", SdfExampleConfig)
        training = stage.params.get(f"tokenizer.{representation}.training", TrainingConfig)
        root = (stage.data / "targets" / representation).absolute()
        entries = available(stage.data, f"targets/{representation}")
        train_uids, val_uids = uids_of_split(entries, "train"), uids_of_split(entries, "val")
        digests = [shard.digest for shard in list_shards(root)]
        result = run_training(
            stage,
            config=training,
            run_key=key_of(CODE_VERSION, model_config, example_config, digests, train_uids),
            build_model=partial(build_model, model_config),
            build_examples=partial(build_examples, root, train_uids, example_config, augment=True),
            build_validation=partial(build_examples, root, val_uids, example_config, augment=False),
        )
        tokenizer = build_model(model_config)
        load_state(tokenizer, load_file(result.weights), str(result.weights))
        tokenizer.eval()
        num_surface = example_config.num_surface
        train_posterior = encode_set(tokenizer, ShardSet(root, train_uids), num_surface=num_surface)
        tokenizer.set_latent_statistics(train_posterior.mean, train_posterior.std)
        validation = ShardSet(root, val_uids)
        first, second = (
            tokenizer.normalize(encode_set(tokenizer, validation, num_surface=num_surface, start=start).mean)
            for start in (0, num_surface)
        )
        audit = audit_tokens(first, second).to_dict() if len(val_uids) > 1 else None
        output = stage.data / "models" / "tokenizer" / representation
        tokenizer.save(output)
        (output / "audit.json").write_text(json.dumps(audit, indent=2, sort_keys=True) + "\n")
        stage.tracker.log_metrics({f"audit/{name}": float(value) for name, value in (audit or {}).items()})


def build_model(config: SdfTokenizerConfig) -> SdfTokenizer:
    """Build the model; its first weights are set by the training seed."""
    return SdfTokenizer(config)


def build_examples(root: Path, uids: list[str], config: SdfExampleConfig, *, augment: bool) -> SdfExamples:
    """Open the targets of some assets."""
    return SdfExamples(ShardSet(root, uids), config, augment=augment)


if __name__ == "__main__":
    _stage.run(main)
