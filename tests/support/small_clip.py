"""A CLIP of random weights in a folder, as transformers saves it, and as model versions of before carry one."""

import re
from collections.abc import Sequence
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

SPECIAL = ("<pad>", "<unk>", "<begin>", "<end>")
IMAGE_DIM, TEXT_DIM, PROJECTION_DIM = 16, 24, 12


def word_tokenizer(captions: Sequence[str], *, max_words: int = 32) -> transformers.PreTrainedTokenizerFast:
    """Make a tokenizer of the captions' words, lower-cased."""
    words = sorted({word for caption in captions for word in re.findall(r"\w+|[^\w\s]+", caption.lower())})
    tokenizer = Tokenizer(
        models.WordLevel({word: index for index, word in enumerate((*SPECIAL, *words))}, unk_token="<unk>")
    )
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<begin> $A <end>", special_tokens=[("<begin>", 2), ("<end>", 3)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<begin>",
        eos_token="<end>",
        model_max_length=max_words,
    )


def save_small_clip(folder: Path, captions: Sequence[str], *, image_size: int = 32, patch_size: int = 16) -> Path:
    """Write it and return the folder."""
    torch.manual_seed(0)
    tokenizer = word_tokenizer(captions)
    layers = {"num_hidden_layers": 2, "num_attention_heads": 2, "projection_dim": PROJECTION_DIM}
    config = transformers.CLIPConfig(
        text_config={
            **layers,
            "vocab_size": len(tokenizer),
            "hidden_size": TEXT_DIM,
            "intermediate_size": 4 * TEXT_DIM,
            "max_position_embeddings": tokenizer.model_max_length,
            "pad_token_id": 0,
            "bos_token_id": 2,
            "eos_token_id": 3,
        },
        vision_config={
            **layers,
            "hidden_size": IMAGE_DIM,
            "intermediate_size": 4 * IMAGE_DIM,
            "image_size": image_size,
            "patch_size": patch_size,
        },
        projection_dim=PROJECTION_DIM,
    )
    size = {"height": image_size, "width": image_size}
    processor = transformers.CLIPImageProcessorPil(
        size=size, resample=2, do_center_crop=False, image_mean=[1.0] * 3, image_std=[0.5] * 3
    )
    for part in (transformers.CLIPModel(config), tokenizer, processor):
        part.save_pretrained(folder)
    return folder
