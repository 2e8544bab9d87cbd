"""all-MiniLM-L6-v2 (Wang et al. 2020; sentence-transformers) as a frozen text encoder, its weights from a package.

A text's tokens are the last hidden states of its first 32 word pieces; its embedding is the largest value of each
channel among them, which finds nearer shapes than the mean (docs/learning.md). Nothing asks a hub: network, words and
weights are made from the files inside the package's archive.

Letters: N texts, T tokens, C channels.
"""

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ltm3d.conditioning.packages import ALL_MINILM_L6_V2, WeightsRecord

NUM_TOKENS = 32  # T; the mean caption of the procedural source takes 22
NO_WEIGHTS = ("pooler.", "embeddings.position_ids")  # of the file: what the hidden states do not need


class MiniLmEncoder:
    """Texts to tokens; made by `load`."""

    text_length = NUM_TOKENS

    def __init__(self, model: Any, tokenizer: Any, device: torch.device) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.device = device

    @classmethod
    def load(
        cls, device: torch.device | str = "cpu", *, copy: Path | None = None, expected: WeightsRecord | None = None
    ) -> "MiniLmEncoder":
        """Read the archive and build the model.

        Args:
            copy, expected: as in `WeightsPackage.read`.

        Raises:
            ModelError: the package is missing, or its file is another.
        """
        from safetensors.torch import load
        from tokenizers import Tokenizer
        from transformers import BertConfig, BertModel

        with zipfile.ZipFile(io.BytesIO(ALL_MINILM_L6_V2.read(copy=copy, expected=expected))) as archive:
            config = BertConfig(**json.loads(archive.read("config.json")))
            tokenizer = Tokenizer.from_str(archive.read("tokenizer.json").decode("utf-8"))
            state = load(archive.read("model.safetensors"))
        model = BertModel(config, add_pooling_layer=False)
        model.load_state_dict({name: value for name, value in state.items() if not name.startswith(NO_WEIGHTS)})
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return cls(model.eval().requires_grad_(False).to(device), tokenizer, torch.device(device))

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> tuple[Float[Tensor, "N T C"], Bool[Tensor, "N T"], Float[Tensor, "N C"]]:
        """Give the tokens, which of them are real, and what the embedding is made of; float32."""
        encoded = [self._cut(text) for text in texts]
        lengths = torch.tensor([len(each) for each in encoded], device=self.device)
        longest = int(lengths.max())  # padding is not computed
        ids = torch.tensor([each + [0] * (longest - len(each)) for each in encoded], device=self.device)
        mask = torch.arange(NUM_TOKENS, device=self.device) < lengths[:, None]
        states = self.model(input_ids=ids, attention_mask=mask[:, :longest].long()).last_hidden_state
        tokens = states.new_zeros(len(texts), NUM_TOKENS, states.shape[-1])
        tokens[:, :longest] = states * mask[:, :longest, None]
        return tokens, mask, states.masked_fill(~mask[:, :longest, None], -torch.inf).amax(dim=1)

    def count(self, text: str) -> int:
        """Say how many tokens a text has before it is cut."""
        return len(self.tokenizer.encode(text).ids)

    def knows(self, text: str) -> bool:
        """Say whether any word of a text is known."""
        unknown = self.tokenizer.token_to_id("[UNK]")
        return any(token != unknown for token in self.tokenizer.encode(text, add_special_tokens=False).ids)

    def _cut(self, text: str) -> list[int]:
        ids = self.tokenizer.encode(text).ids
        return ids if len(ids) <= NUM_TOKENS else [*ids[: NUM_TOKENS - 1], ids[-1]]  # the end token stays
