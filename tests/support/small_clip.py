"""A CLIP of random weights in a folder, as transformers saves it."""

from pathlib import Path

import torch

from ltm3d.conditioning.tiny_clip import TinyClip, TinyClipConfig, build_tokenizer


def save_small_clip(folder: Path, captions: list[str]) -> Path:
    """Write it and return the folder."""
    torch.manual_seed(0)
    config = TinyClipConfig(
        image_size=32, patch_size=16, image_dim=16, image_layers=2, text_dim=24, text_layers=2, num_heads=2,
        projection_dim=12,
    )  # fmt: skip
    words = build_tokenizer(captions, config=config)
    TinyClip(config, vocabulary_size=len(words)).save(folder, words)
    return folder
