"""A small CLIP trained in the pipeline: the condition encoder of a machine without a network.

Images and texts are contrasted with each other (CLIP) and with points of the shape (ULIP, Xue et al. 2023): captions
alone let colour decide, and a generator needs to see form. The patches of an image also say what they see of the
surface (`seen_surface`).

Letters: B samples, H W pixels, T text tokens, N surface points, E channels of the shared space.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from ltm3d.conditioning.point_encoder import PointEncoder
from ltm3d.conditioning.seen_surface import CELLS, SurfaceHead
from ltm3d.errors import ConfigError, DataError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# Ids of the special tokens. An end id of 2 would switch on an old pooling rule of transformers' CLIP.
PAD, UNKNOWN, BEGIN, END = 0, 1, 2, 3
SPECIAL_TOKENS = ("<pad>", "<unk>", "<begin>", "<end>")
PIXEL_MEAN, PIXEL_STD = 1.0, 0.5  # pictures are laid on white, which becomes 0: a small model learns much sooner
POSITION_STD = 0.1  # of the first position embeddings of the patches; CLIP's own 0.02 is for a long training
MAX_LOGIT_SCALE = 4.6052  # ln 100, as in CLIP


class SampleRandom(Protocol):
    """What a loss draws from: row b depends on the seed, the step and the sample only."""

    def uniform(self, *shape: int) -> Tensor: ...


@dataclass(frozen=True, kw_only=True)
class TinyClipConfig:
    """Sizes and augmentations of the small CLIP.

    Attributes:
        image_size, patch_size: pixels.
        max_words: longest text, with the begin and end tokens.
        max_vocabulary: the most frequent words are kept, others read as unknown.
        max_shift: largest move of a training image, share of its side.
        word_dropout: share of training words read as unknown, so that free prompts work.
        shape_weight: weight of the contrast with the shape's points, 0 = none.
        surface_weight: weight of what the patches say of the seen surface, 0 = nothing.
    """

    image_size: int = 64
    patch_size: int = 8
    image_dim: int = 128
    image_layers: int = 3
    text_dim: int = 128
    text_layers: int = 1
    num_heads: int = 4
    projection_dim: int = 128
    max_words: int = 32
    max_vocabulary: int = 4096
    max_shift: float = 0.06
    word_dropout: float = 0.05
    shape_weight: float = 1.0
    surface_weight: float = 2.0

    def __post_init__(self) -> None:
        sizes = ("image_size", "patch_size", "image_dim", "image_layers", "text_dim", "text_layers", "num_heads")
        for name in (*sizes, "projection_dim"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, must be at least 1")
        if self.image_size % self.patch_size:
            raise ConfigError(
                f"image_size {self.image_size} is not a multiple of patch_size {self.patch_size}: change either"
            )
        for name in ("image_dim", "text_dim"):
            if getattr(self, name) % self.num_heads:
                raise ConfigError(f"{name} {getattr(self, name)} is not a multiple of num_heads {self.num_heads}")
        if self.max_words < 4 or self.max_vocabulary <= len(SPECIAL_TOKENS):
            raise ConfigError(
                f"max_words {self.max_words} must be at least 4, "
                f"max_vocabulary {self.max_vocabulary} above {len(SPECIAL_TOKENS)}"
            )
        for name in ("max_shift", "word_dropout"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, must be a share between 0 and 1")
        if self.patch_size % CELLS:
            raise ConfigError(f"patch_size is {self.patch_size}, must be a multiple of {CELLS}")
        for name in ("shape_weight", "surface_weight"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}, must be 0 (left out) or more")


def build_tokenizer(captions: Sequence[str], *, config: TinyClipConfig) -> "PreTrainedTokenizerFast":
    """Make a word-level tokenizer, lower-cased, from the training captions; same captions → same ids."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    splitter = pre_tokenizers.Whitespace()
    counts: Counter[str] = Counter()
    for caption in captions:
        counts.update(word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(caption)))
    if not counts:
        raise DataError("the captions hold no word: give the assets captions before a text encoder is trained")
    words = sorted(counts, key=lambda word: (-counts[word], word))
    words = [word for word in words if word not in SPECIAL_TOKENS][: config.max_vocabulary - len(SPECIAL_TOKENS)]
    vocabulary = {word: index for index, word in enumerate((*SPECIAL_TOKENS, *words))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=SPECIAL_TOKENS[UNKNOWN]))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = splitter
    begin, end = SPECIAL_TOKENS[BEGIN], SPECIAL_TOKENS[END]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}", special_tokens=[(begin, BEGIN), (end, END)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=SPECIAL_TOKENS[PAD],
        unk_token=SPECIAL_TOKENS[UNKNOWN],
        bos_token=begin,
        eos_token=end,
        model_max_length=config.max_words,
        padding_side="right",
        truncation_side="right",
    )


class TinyClip(nn.Module):
    """transformers' CLIPModel at a small size, with symmetric contrastive losses; the point encoder is for training.

    Args:
        vocabulary_size: `len(tokenizer)` of `build_tokenizer`.
    """

    def __init__(self, config: TinyClipConfig, *, vocabulary_size: int) -> None:
        from transformers import CLIPConfig, CLIPModel

        super().__init__()
        self.config = config
        self.clip = CLIPModel(
            CLIPConfig(
                text_config={
                    "vocab_size": vocabulary_size,
                    "hidden_size": config.text_dim,
                    "intermediate_size": 4 * config.text_dim,
                    "num_hidden_layers": config.text_layers,
                    "num_attention_heads": config.num_heads,
                    "max_position_embeddings": config.max_words,
                    "projection_dim": config.projection_dim,
                    "pad_token_id": PAD,
                    "bos_token_id": BEGIN,
                    "eos_token_id": END,
                },
                vision_config={
                    "hidden_size": config.image_dim,
                    "intermediate_size": 4 * config.image_dim,
                    "num_hidden_layers": config.image_layers,
                    "num_attention_heads": config.num_heads,
                    "image_size": config.image_size,
                    "patch_size": config.patch_size,
                    "projection_dim": config.projection_dim,
                },
                projection_dim=config.projection_dim,
            )
        )
        nn.init.normal_(self.clip.vision_model.embeddings.position_embedding.weight, std=POSITION_STD)
        self.point_encoder = PointEncoder(config.projection_dim) if config.shape_weight > 0 else None
        self.surface_head = SurfaceHead(config.image_dim) if config.surface_weight > 0 else None

    def embed_images(self, pixels: Float[Tensor, "B 3 H W"]) -> tuple[Float[Tensor, "B E"], Float[Tensor, "B N C"]]:
        """Map normalised pixels to the shared space, unit norm, and to the tokens of their patches."""
        output = self.clip.get_image_features(pixel_values=pixels)
        return F.normalize(output.pooler_output.float(), dim=-1), output.last_hidden_state[:, 1:]

    def embed_texts(self, text_ids: Int[Tensor, "B T"], text_mask: Tensor) -> Float[Tensor, "B E"]:
        """Map text ids to the shared space, unit norm."""
        output = self.clip.get_text_features(input_ids=text_ids, attention_mask=text_mask.long())
        return F.normalize(output.pooler_output.float(), dim=-1)

    def training_loss(self, batch: dict[str, Tensor], random: SampleRandom) -> tuple[Tensor, dict[str, Tensor]]:
        """Contrast the images of a batch with its texts, and both with its shapes.

        Texts of equal caption are not negatives.

        Args:
            batch: `images` u8 [B, H, W, 4] with straight alpha, `text_ids` and `text_mask` [B, T],
                `caption_index` [B], equal where captions are equal, `points` [B, N, 3] on the surface, `surface`
                [B, S, S, 6] that the image shows.
        """
        shifts = random.uniform(2)
        pixels = augment_images(batch["images"], shifts, config=self.config)
        text_ids = drop_words(batch["text_ids"], random.uniform(batch["text_ids"].shape[1]), self.config.word_dropout)
        longest = int(batch["text_mask"].any(dim=0).sum())  # padding, on the right, is not computed
        images, patches = self.embed_images(pixels)
        texts = self.embed_texts(text_ids[:, :longest], batch["text_mask"][:, :longest])
        scale = self.clip.logit_scale.float().clamp(max=MAX_LOGIT_SCALE).exp()
        with torch.autocast(images.device.type, enabled=False):
            loss, accuracy = contrastive_loss(scale * images @ texts.T, batch["caption_index"])
            metrics = {"accuracy": accuracy.detach(), "logit_scale": scale.detach()}
            if self.point_encoder is not None:
                shapes = F.normalize(self.point_encoder(batch["points"]).float(), dim=-1)
                each = torch.arange(len(images), device=images.device)  # a caption may fit many shapes, an image one
                by_image, shape_accuracy = contrastive_loss(scale * images @ shapes.T, each)
                by_text, _ = contrastive_loss(scale * texts @ shapes.T, batch["caption_index"])
                loss = loss + self.config.shape_weight * (by_image + by_text)
                metrics["shape_accuracy"] = shape_accuracy.detach()
            if self.surface_head is not None:
                surface = move(batch["surface"].float(), shifts, max_shift=self.config.max_shift)
                surface_error = self.surface_head.loss(patches.float(), surface)
                loss = loss + self.config.surface_weight * surface_error
                metrics["surface_l1"] = surface_error.detach()
        return loss, metrics

    def save(self, folder: Path, tokenizer: "PreTrainedTokenizerFast") -> None:
        """Write model, tokenizer and image preprocessing so that transformers' Auto classes load the folder."""
        from transformers import CLIPImageProcessorPil
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
        processor = CLIPImageProcessorPil(
            size={"height": self.config.image_size, "width": self.config.image_size},
            resample=2,  # bilinear, as in augment_images
            do_center_crop=False,
            image_mean=[PIXEL_MEAN] * 3,
            image_std=[PIXEL_STD] * 3,
        )
        for part in (self.clip, tokenizer, processor):
            saved: Any = part
            saved.save_pretrained(folder)


def contrastive_loss(logits: Float[Tensor, "B B"], caption_index: Int[Tensor, "B"]) -> tuple[Tensor, Tensor]:
    """Give the mean of both cross-entropies (image → text, text → image) and of both accuracies."""
    same = caption_index[:, None] == caption_index[None, :]
    diagonal = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    logits = logits.masked_fill(same & ~diagonal, float("-inf"))
    target = torch.arange(len(logits), device=logits.device)
    loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
    hits = (logits.argmax(dim=1) == target).float().mean() + (logits.argmax(dim=0) == target).float().mean()
    return loss, hits / 2


def augment_images(
    images: UInt8[Tensor, "B H W 4"], draws: Float[Tensor, "B 2"], *, config: TinyClipConfig
) -> Float[Tensor, "B 3 size size"]:
    """Resize, shift and lay on white; normalised pixels for the model.

    Args:
        draws: uniform in [0, 1): the shift down and to the right.
    """
    size = config.image_size
    rgba = images.permute(0, 3, 1, 2).float() / 255
    alpha = rgba[:, 3:]
    premultiplied = torch.cat((rgba[:, :3] * alpha, alpha), dim=1)
    if premultiplied.shape[-2:] != (size, size):
        premultiplied = F.interpolate(premultiplied, (size, size), mode="bilinear", antialias=True)
    shifted = move(premultiplied.permute(0, 2, 3, 1), draws, max_shift=config.max_shift).permute(0, 3, 1, 2)
    return (shifted[:, :3] + (1 - shifted[:, 3:]) - PIXEL_MEAN) / PIXEL_STD


def move(maps: Float[Tensor, "B S S K"], draws: Float[Tensor, "B 2"], *, max_shift: float) -> Float[Tensor, "B S S K"]:
    """Shift each map by whole pixels, zeros coming in.

    Args:
        draws: uniform in [0, 1): the shift down and to the right; 0.5 is none.
        max_shift: share of the side.
    """
    size = maps.shape[1]
    margin = round(max_shift * size)
    padded = F.pad(maps, (0, 0, margin, margin, margin, margin))
    corner = (draws * (2 * margin + 1)).long()
    steps = torch.arange(size, device=maps.device)
    rows, columns = corner[:, :1] + steps, corner[:, 1:] + steps
    sample = torch.arange(len(maps), device=maps.device)[:, None, None]
    return padded[sample, rows[:, :, None], columns[:, None, :]]


def drop_words(text_ids: Int[Tensor, "B T"], draws: Float[Tensor, "B T"], share: float) -> Int[Tensor, "B T"]:
    """Read a share of the words, never a special token, as unknown."""
    return torch.where((draws < share) & (text_ids > END), UNKNOWN, text_ids)
