import pytest
from tiny_targets import Targets

from ltm3d.errors import ModelError
from ltm3d.generator.latent_data import HASH_FIELD, check_tokens


class Records(Targets):
    """Assets that have records only."""

    def record(self, index: int) -> dict[str, str]:
        return {HASH_FIELD: str(self.assets[index]["hash"])}


def test_tokens_of_another_tokenizer_are_refused_with_both_hashes() -> None:
    tokens = Records([{"hash": "aaa"}, {"hash": "bbb"}])  # type: ignore[dict-item]
    check_tokens(Records([{"hash": "aaa"}]), "aaa")  # type: ignore[dict-item]
    with pytest.raises(ModelError, match="the tokens of u1 were encoded by tokenizer bbb, the trained one is aaa"):
        check_tokens(tokens, "aaa")
