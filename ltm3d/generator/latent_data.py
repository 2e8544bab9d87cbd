"""What LTR and the generator are trained on: tokens and conditions of the assets that have both."""

from dataclasses import dataclass
from pathlib import Path

from ltm3d.errors import ModelError
from ltm3d.generator.standardization import MAX_ASSETS, ConditionStatistics
from ltm3d.generator.token_examples import LatentExamples
from ltm3d.generator.token_model import TokenShape
from ltm3d.nn.weights import weights_hash
from ltm3d.shards.available import available
from ltm3d.shards.index import uids_of_split
from ltm3d.shards.manifest import key_of
from ltm3d.shards.read import ShardSet, list_shards
from ltm3d.tokenizers.kinds import load_tokenizer

HASH_FIELD = "tokenizer_hash"  # in an asset's record: whose tokens these are


@dataclass(frozen=True)
class LatentData:
    """Folders and assets of the latents' training; small, so that it travels to the workers."""

    tokens: Path
    conditions: Path
    tokenizer: Path
    train_uids: list[str]
    val_uids: list[str]

    @classmethod
    def of(cls, data: Path, representation: str) -> "LatentData":
        """Find the assets that have both tokens and conditions."""
        entries = available(data, f"tokens/{representation}", "conditions")
        return cls(
            (data / "tokens" / representation).absolute(),
            (data / "conditions").absolute(),
            (data / "models" / "tokenizer" / representation).absolute(),
            uids_of_split(entries, "train"),
            uids_of_split(entries, "val"),
        )

    def examples(self, uids: list[str]) -> LatentExamples:
        """Open the latents and conditions of some assets.

        Raises:
            ModelError: the latents are another tokenizer's.
        """
        tokens = ShardSet(self.tokens, uids)
        check_tokens(tokens, weights_hash(self.tokenizer))
        return LatentExamples(tokens, ShardSet(self.conditions, uids), load_tokenizer(self.tokenizer))

    def train_examples(self) -> LatentExamples:
        return self.examples(self.train_uids)

    def val_examples(self) -> LatentExamples:
        return self.examples(self.val_uids)

    def token_shape(self) -> TokenShape:
        """Read the sizes that the models are built for."""
        tokens, conditions = ShardSet(self.tokens, self.train_uids[:1]), ShardSet(self.conditions, self.train_uids[:1])
        num_tokens, token_dim = tokens.get("mean", 0).shape
        num_image_tokens, image_width = conditions.get("image_tokens", 0).shape[1:]
        return TokenShape(
            num_tokens=num_tokens,
            token_dim=token_dim,
            image_width=image_width,
            text_width=conditions.get("text_tokens", 0).shape[-1],
            num_image_tokens=num_image_tokens,
        )

    def condition_statistics(self) -> ConditionStatistics:
        """Measure the condition tokens of the training split, of `MAX_ASSETS` assets at most."""
        step = max(1, -(-len(self.train_uids) // MAX_ASSETS))
        return ConditionStatistics.of(ShardSet(self.conditions, self.train_uids[::step]))

    def key(self) -> str:
        """Hash all that the training reads."""
        digests = [shard.digest for root in (self.tokens, self.conditions) for shard in list_shards(root)]
        return key_of(digests, self.train_uids, weights_hash(self.tokenizer))


def check_tokens(tokens: ShardSet, expected: str) -> None:
    """Refuse tokens that another tokenizer has encoded.

    Raises:
        ModelError: with both hashes.
    """
    for index, uid in enumerate(tokens):
        found = tokens.record(index).get(HASH_FIELD)
        if found != expected:
            raise ModelError(
                f"the tokens of {uid} were encoded by tokenizer {found}, the trained one is {expected}; "
                "run encode_tokens again (dvc repro)"
            )
