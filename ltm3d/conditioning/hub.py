"""Frozen image and text encoders of the Hugging Face hub or of a local folder, by transformers.

Letters: N prompts, H W pixels, T condition tokens, C condition channels, E embedding channels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from ltm3d.conditioning.photo import composite
from ltm3d.errors import ModelError

if TYPE_CHECKING:
    from transformers import BaseImageProcessor, PreTrainedModel, PreTrainedTokenizerBase

IMAGE_KINDS = ("clip", "siglip", "dinov2", "dinov2_with_registers", "dinov3_vit")
TEXT_KINDS = ("clip", "t5", "mt5", "umt5")
MAX_TEXT_TOKENS = 77


@dataclass(frozen=True, kw_only=True, eq=False)
class HubImageEncoder:
    """An image model of transformers."""

    model: nn.Module
    processor: "BaseImageProcessor"
    device: torch.device

    @torch.inference_mode()
    def encode(self, images: UInt8[np.ndarray, "N H W 4"]) -> tuple[Float[Tensor, "N T C"], Float[Tensor, "N E"]]:
        """Give last hidden states and pooled output of RGBA pictures, laid on white."""
        pictures = list(composite(images))
        pixels = self.processor(images=pictures, return_tensors="pt", input_data_format="channels_last")
        output = getattr(self.model, "vision_model", self.model)(pixel_values=pixels["pixel_values"].to(self.device))
        return output.last_hidden_state, _project(self.model, "visual_projection", output.pooler_output)


@dataclass(frozen=True, kw_only=True, eq=False)
class HubTextEncoder:
    """A text model of transformers."""

    model: nn.Module
    tokenizer: "PreTrainedTokenizerBase"
    text_length: int
    device: torch.device

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> tuple[Float[Tensor, "N T C"], Bool[Tensor, "N T"], Float[Tensor, "N E"]]:
        """Give last hidden states, which of them are real, and the pooled output."""
        encoded = self.tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=self.text_length, return_tensors="pt"
        )
        ids, mask = encoded["input_ids"].to(self.device), encoded["attention_mask"].to(self.device)
        output = getattr(self.model, "text_model", self.model)(input_ids=ids, attention_mask=mask)
        states = output.last_hidden_state
        pooled = output.get("pooler_output")
        if pooled is None:
            weights = mask[..., None].to(states.dtype)
            pooled = (states * weights).sum(dim=1) / weights.sum(dim=1)
        return states, mask.bool(), _project(self.model, "text_projection", pooled)

    def count(self, text: str) -> int:
        """Say how many tokens a text has before it is cut."""
        return len(self.tokenizer(text, truncation=False, verbose=False)["input_ids"])

    def knows(self, text: str) -> bool:
        """Say whether any word of a text, as far as it is read, is known."""
        unknown = self.tokenizer.unk_token_id
        words = self.tokenizer(text, add_special_tokens=False, truncation=True, max_length=self.text_length)
        return unknown is None or any(token != unknown for token in words["input_ids"])


@dataclass(frozen=True, kw_only=True, eq=False)
class HubEncoders:
    """What was asked for of transformers; see `ConditionEncoder`."""

    images: HubImageEncoder | None
    texts: HubTextEncoder | None
    has_shared_space: bool


def load_hub_encoders(
    image_model: str | None,
    text_model: str | None,
    device: torch.device | str = "cpu",
    *,
    max_text_tokens: int = MAX_TEXT_TOKENS,
) -> HubEncoders:
    """Load an image encoder, a text encoder, one model that is both, or nothing.

    Raises:
        ModelError: not found, not downloadable, of another kind, or incomplete.
    """
    if image_model is None and text_model is None:
        return HubEncoders(images=None, texts=None, has_shared_space=False)
    from transformers import AutoImageProcessor, AutoModel, AutoModelForTextEncoding, AutoTokenizer

    image_kind = None if image_model is None else _check_kind(image_model, IMAGE_KINDS, "image")
    text_kind = None if text_model is None else _check_kind(text_model, TEXT_KINDS, "text")
    where = torch.device(device)
    images = texts = None
    if image_model is not None:
        model = _load_model(AutoModel, image_model, device)
        images = HubImageEncoder(model=model, processor=_load_part(AutoImageProcessor, image_model), device=where)
    if text_model is not None:
        if images is not None and image_model == text_model:
            model = images.model
        else:
            model = _load_model(AutoModel if text_kind == "clip" else AutoModelForTextEncoding, text_model, device)
        tokenizer = _load_part(AutoTokenizer, text_model)
        positions = getattr(model.config.get_text_config(), "max_position_embeddings", None) or max_text_tokens
        length = min(max_text_tokens, tokenizer.model_max_length, positions)
        texts = HubTextEncoder(model=model, tokenizer=tokenizer, text_length=length, device=where)
    return HubEncoders(images=images, texts=texts, has_shared_space=image_kind == "clip" and image_model == text_model)


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
