"""Frozen image and text encoders: those that packages bring, or transformers models by name or local folder.

Letters: N prompts, H W pixels, T condition tokens, C condition channels, E embedding channels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from ltm3d.conditioning.efficientnet import DEFAULT_SIZE, EfficientNetEncoder
from ltm3d.conditioning.hub import MAX_TEXT_TOKENS, load_hub_encoders
from ltm3d.conditioning.minilm import MiniLmEncoder
from ltm3d.conditioning.packages import ALL_MINILM_L6_V2, EFFICIENTNET_LITE0, WeightsRecord
from ltm3d.errors import PromptError

NO_RECORDS: Mapping[str, WeightsRecord] = {}


class ImageEncoder(Protocol):
    """Pictures to tokens, and to what an embedding is made of; float32."""

    def encode(self, images: UInt8[np.ndarray, "N H W 4"]) -> tuple[Float[Tensor, "N T C"], Float[Tensor, "N E"]]: ...


class TextEncoder(Protocol):
    """Texts to `text_length` tokens, padded or cut, which of them are real, and to what an embedding is made of."""

    @property
    def text_length(self) -> int: ...

    def encode(
        self, texts: Sequence[str]
    ) -> tuple[Float[Tensor, "N T C"], Bool[Tensor, "N T"], Float[Tensor, "N E"]]: ...

    def count(self, text: str) -> int:
        """Say how many tokens a text has before it is cut."""
        ...

    def knows(self, text: str) -> bool:
        """Say whether any word of a text is known."""
        ...


class ImageCondition(NamedTuple):
    """What the image encoder gives; the embedding has unit norm."""

    tokens: Float[Tensor, "N T C"]
    embedding: Float[Tensor, "N E"]


class TextCondition(NamedTuple):
    """What the text encoder gives; mask True = a real token; the embedding has unit norm."""

    tokens: Float[Tensor, "N T C"]
    mask: Bool[Tensor, "N T"]
    embedding: Float[Tensor, "N E"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ConditionEncoder:
    """A frozen image encoder and a frozen text encoder; made by `ConditionEncoder.load`.

    Attributes:
        has_shared_space: image and text embeddings can be compared.
    """

    images: ImageEncoder
    texts: TextEncoder
    has_shared_space: bool

    @classmethod
    def load(
        cls,
        image_model: str | Path,
        text_model: str | Path,
        device: torch.device | str = "cpu",
        *,
        image_size: int = DEFAULT_SIZE,
        max_text_tokens: int = MAX_TEXT_TOKENS,
        copies: Path | None = None,
        expected: Mapping[str, WeightsRecord] = NO_RECORDS,
    ) -> "ConditionEncoder":
        """Load both encoders.

        Args:
            image_model, text_model: `efficientnet_lite0` and `all_minilm_l6_v2` come with the installation; any other
                is a name on the Hugging Face hub or a local folder.
            image_size: pixels along a side that `efficientnet_lite0` sees; others have their own.
            max_text_tokens: of the hub's; `all_minilm_l6_v2` has 32.
            copies: a folder with the packages' files, where a model version carries them.
            expected: by encoder, the weights that a model version names.

        Raises:
            ModelError: not found, not downloadable, of another kind, incomplete, or not the weights that are expected.
            ConfigError: an image size that is none.
        """
        images: ImageEncoder | None = None
        texts: TextEncoder | None = None
        if image_model == EFFICIENTNET_LITE0.encoder:
            images = EfficientNetEncoder.load(
                device, size=image_size, copy=copies, expected=expected.get(EFFICIENTNET_LITE0.encoder)
            )
        if text_model == ALL_MINILM_L6_V2.encoder:
            texts = MiniLmEncoder.load(device, copy=copies, expected=expected.get(ALL_MINILM_L6_V2.encoder))
        hub = load_hub_encoders(
            None if images is not None else str(image_model),
            None if texts is not None else str(text_model),
            device,
            max_text_tokens=max_text_tokens,
        )
        images, texts = images or hub.images, texts or hub.texts
        assert images is not None and texts is not None
        return cls(images=images, texts=texts, has_shared_space=hub.has_shared_space)

    @property
    def text_length(self) -> int:
        """Every text has this many tokens, padded or cut."""
        return self.texts.text_length

    def encode_images(self, images: UInt8[np.ndarray, "N H W 4"], *, batch_size: int = 32) -> ImageCondition:
        """Encode RGBA pictures, laid on white; float32 on the encoder's device."""
        if images.ndim != 4 or images.shape[-1] != 4 or images.dtype != np.uint8 or not len(images):
            raise PromptError(f"pictures are {images.dtype} {images.shape}, must be uint8 [N, H, W, 4], N at least 1")
        batches = [
            self.images.encode(images[start : start + batch_size]) for start in range(0, len(images), batch_size)
        ]
        tokens, pooled = (torch.cat(parts) for parts in zip(*batches, strict=True))
        return ImageCondition(tokens, F.normalize(pooled, dim=-1))

    def encode_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> TextCondition:
        """Encode texts, padded or cut to `text_length` tokens; float32 on the encoder's device."""
        if not texts:
            raise PromptError("there is no text to encode: give at least one")
        batches = [self.texts.encode(texts[start : start + batch_size]) for start in range(0, len(texts), batch_size)]
        tokens, mask, pooled = (torch.cat(parts) for parts in zip(*batches, strict=True))
        return TextCondition(tokens, mask, F.normalize(pooled, dim=-1))

    def is_cut(self, text: str) -> bool:
        """Say whether a text has more tokens than are kept."""
        return self.texts.count(text) > self.text_length
