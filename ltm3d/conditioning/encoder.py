"""Frozen image and text encoders: transformers models by name or local folder.

Letters: N prompts, H W pixels, T condition tokens, C condition channels, E embedding channels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from ltm3d.conditioning.photo import composite
from ltm3d.errors import ModelError, PromptError

if TYPE_CHECKING:
    from transformers import BaseImageProcessor, PreTrainedModel, PreTrainedTokenizerBase

IMAGE_KINDS = ("clip", "siglip", "dinov2", "dinov2_with_registers", "dinov3_vit")
TEXT_KINDS = ("clip", "t5", "mt5", "umt5")


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
        text_length: every text has this many tokens, padded or cut.
        has_shared_space: image and text embeddings can be compared.
    """

    image_model: nn.Module
    processor: "BaseImageProcessor"
    text_model: nn.Module
    tokenizer: "PreTrainedTokenizerBase"
    text_length: int
    has_shared_space: bool
    device: torch.device

    @classmethod
    def load(
        cls,
        image_model: str | Path,
        text_model: str | Path,
        device: torch.device | str = "cpu",
        *,
        max_text_tokens: int = 77,
    ) -> "ConditionEncoder":
        """Load both encoders, by name on the Hugging Face hub or from a local folder.

        Raises:
            ModelError: not found, not downloadable, of another kind, or incomplete.
        """
        from transformers import AutoImageProcessor, AutoModel, AutoModelForTextEncoding, AutoTokenizer

        image_name, text_name = str(image_model), str(text_model)
        image_kind = _check_kind(image_name, IMAGE_KINDS, "image")
        text_kind = _check_kind(text_name, TEXT_KINDS, "text")
        images = _load_model(AutoModel, image_name, device)
        is_one_model = image_name == text_name
        if is_one_model:
            texts = images
        else:
            texts = _load_model(AutoModel if text_kind == "clip" else AutoModelForTextEncoding, text_name, device)
        tokenizer = _load_part(AutoTokenizer, text_name)
        positions = getattr(texts.config.get_text_config(), "max_position_embeddings", None) or max_text_tokens
        return cls(
            image_model=images,
            processor=_load_part(AutoImageProcessor, image_name),
            text_model=texts,
            tokenizer=tokenizer,
            text_length=min(max_text_tokens, tokenizer.model_max_length, positions),
            has_shared_space=is_one_model and image_kind == "clip",
            device=torch.device(device),
        )

    @torch.inference_mode()
    def encode_images(self, images: UInt8[np.ndarray, "N H W 4"], *, batch_size: int = 32) -> ImageCondition:
        """Encode RGBA pictures, laid on white; float32 on the encoder's device."""
        if images.ndim != 4 or images.shape[-1] != 4 or images.dtype != np.uint8 or not len(images):
            raise PromptError(f"pictures are {images.dtype} {images.shape}, must be uint8 [N, H, W, 4], N at least 1")
        vision = getattr(self.image_model, "vision_model", self.image_model)
        tokens, embeddings = [], []
        for start in range(0, len(images), batch_size):
            pictures = list(composite(images[start : start + batch_size]))
            pixels = self.processor(images=pictures, return_tensors="pt", input_data_format="channels_last")
            output = vision(pixel_values=pixels["pixel_values"].to(self.device))
            tokens.append(output.last_hidden_state)
            embeddings.append(_project(self.image_model, "visual_projection", output.pooler_output))
        return ImageCondition(torch.cat(tokens), F.normalize(torch.cat(embeddings), dim=-1))

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> TextCondition:
        """Encode texts, padded or cut to `text_length` tokens; float32 on the encoder's device."""
        if not texts:
            raise PromptError("there is no text to encode: give at least one")
        tokens, masks, embeddings = [], [], []
        for start in range(0, len(texts), batch_size):
            encoded = self.tokenizer(
                list(texts[start : start + batch_size]),
                padding="max_length",
                truncation=True,
                max_length=self.text_length,
                return_tensors="pt",
            )
            ids, mask = encoded["input_ids"].to(self.device), encoded["attention_mask"].to(self.device)
            output = getattr(self.text_model, "text_model", self.text_model)(input_ids=ids, attention_mask=mask)
            states = output.last_hidden_state
            pooled = output.get("pooler_output")
            if pooled is None:
                weights = mask[..., None].to(states.dtype)
                pooled = (states * weights).sum(dim=1) / weights.sum(dim=1)
            tokens.append(states)
            masks.append(mask.bool())
            embeddings.append(_project(self.text_model, "text_projection", pooled))
        return TextCondition(torch.cat(tokens), torch.cat(masks), F.normalize(torch.cat(embeddings), dim=-1))


def _project(model: nn.Module, name: str, pooled: Tensor) -> Tensor:
    projection = getattr(model, name, None)
    return pooled if projection is None else projection(pooled)


def _check_kind(name: str, kinds: tuple[str, ...], what: str) -> str:
    from transformers import AutoConfig

    kind = _load_part(AutoConfig, name).model_type
    if kind not in kinds:
        raise ModelError(
            f"{name} is a '{kind}' model, none of the {what} encoders we know: use one of {', '.join(kinds)}"
        )
    return kind


def _load_model(auto_class: Any, name: str, device: torch.device | str) -> "PreTrainedModel":
    # safetensors only: weights a user hands us are never unpickled
    model, report = _load_part(
        auto_class, name, {"dtype": torch.float32, "use_safetensors": True, "output_loading_info": True}
    )
    missing = sorted(report["missing_keys"])
    if missing:
        raise ModelError(
            f"the weights of {name} lack {len(missing)} tensors, {missing[0]} first: fetch or train the model again"
        )
    return model.eval().requires_grad_(False).to(device)


def _load_part(auto_class: Any, name: str, options: Mapping[str, Any] | None = None) -> Any:
    """Call transformers' from_pretrained; every failure is one line with the remedy."""
    from safetensors import SafetensorError
    from transformers.utils import logging as transformers_logging

    folder = Path(name).expanduser()
    if not folder.is_dir() and (folder.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1):
        raise ModelError(f"there is no model folder {name}: train it (`dvc repro`), or name a model of the hub")
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise ModelError(f"{name} holds no config.json: it is not a model saved by transformers' save_pretrained")
    transformers_logging.disable_progress_bar()
    source = str(folder) if folder.is_dir() else name
    try:
        return auto_class.from_pretrained(source, trust_remote_code=False, **(options or {}))
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        if folder.is_dir():
            raise ModelError(f"{name} cannot be read ({reason}): save or copy the model again") from error
        raise ModelError(
            f"the model {name} is not on this machine and cannot be fetched: run `hf download {name}` where there is "
            f"a network, unset HF_HUB_OFFLINE, or give the folder of a saved model ({reason})"
        ) from error
