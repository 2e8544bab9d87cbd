"""Frozen encoders: each kind of model, made small with random weights and saved to a folder."""

import json
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import torch
import torch.nn.functional as F
import transformers
from small_clip import save_small_clip, word_tokenizer

from ltm3d.conditioning.encoder import ConditionEncoder
from ltm3d.errors import ModelError, PromptError

CAPTIONS = ["A 3D model of a red chair, Chair.", "A 3D model of a floor lamp with a very tall thin stand, Lamp."]
LAYERS = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


def save_clip(folder: Path) -> Path:
    return save_small_clip(folder, CAPTIONS)


def save_dinov2(folder: Path) -> Path:
    config = transformers.Dinov2Config(
        image_size=28, patch_size=14, hidden_size=16, mlp_ratio=2, num_hidden_layers=2, num_attention_heads=2
    )
    transformers.Dinov2Model(config).save_pretrained(folder)
    square = {"height": 28, "width": 28}
    transformers.BitImageProcessorPil(size={"shortest_edge": 28}, crop_size=square).save_pretrained(folder)
    return folder


def save_siglip(folder: Path) -> Path:
    config = transformers.SiglipConfig(
        text_config={**LAYERS, "vocab_size": 40, "max_position_embeddings": 8, "projection_size": 16},
        vision_config={**LAYERS, "image_size": 32, "patch_size": 16},
    )
    transformers.SiglipModel(config).save_pretrained(folder)
    transformers.SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def save_t5(folder: Path) -> Path:
    config = transformers.T5Config(vocab_size=64, d_model=20, d_kv=10, d_ff=32, num_layers=2, num_heads=2)
    transformers.T5EncoderModel(config).save_pretrained(folder)
    word_tokenizer(CAPTIONS, max_words=512).save_pretrained(folder)
    return folder


SAVE_IMAGE = {"clip": (save_clip, 5, 16, 12), "dinov2": (save_dinov2, 5, 16, 16), "siglip": (save_siglip, 4, 16, 16)}
SAVE_TEXT = {"clip": (save_clip, 32, 24, 12), "t5": (save_t5, 40, 20, 20)}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def pictures(count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 40, 40, 4), dtype=np.uint8)


@pytest.mark.parametrize("text_kind", SAVE_TEXT)
@pytest.mark.parametrize("image_kind", SAVE_IMAGE)
def test_every_pair_of_kinds(image_kind: str, text_kind: str, tmp_path: Path) -> None:
    save_image, image_length, image_channels, image_embedding = SAVE_IMAGE[image_kind]
    save_text, text_length, text_channels, text_embedding = SAVE_TEXT[text_kind]
    encoder = ConditionEncoder.load(save_image(tmp_path / "i"), save_text(tmp_path / "t"), max_text_tokens=40)
    tokens, embedding = encoder.encode_images(pictures())
    assert tokens.shape == (3, image_length, image_channels) and embedding.shape == (3, image_embedding)
    words, mask, text = encoder.encode_texts(CAPTIONS)
    assert words.shape == (2, text_length, text_channels) and text.shape == (2, text_embedding)
    assert mask.sum(dim=1).tolist() == [encoder.texts.count(caption) for caption in CAPTIONS]
    for vectors in (embedding, text):
        torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(len(vectors)))
    assert not encoder.has_shared_space  # two models of their own
    weights = [*encoder.images.model.parameters(), *encoder.texts.model.parameters()]
    assert not any(weight.requires_grad for weight in weights) and not encoder.images.model.training


def test_batches_and_repeats_give_the_same(tmp_path: Path) -> None:
    encoder = ConditionEncoder.load(save_clip(tmp_path), tmp_path)
    assert encoder.has_shared_space
    whole, again = encoder.encode_images(pictures(5)), encoder.encode_images(pictures(5))
    assert torch.equal(whole.tokens, again.tokens)
    torch.testing.assert_close(whole.tokens, encoder.encode_images(pictures(5), batch_size=2).tokens)
    texts = CAPTIONS * 3
    torch.testing.assert_close(encoder.encode_texts(texts), encoder.encode_texts(texts, batch_size=4))


def test_padding_does_not_change_an_embedding(tmp_path: Path) -> None:
    for save in (save_clip, save_t5):
        folder = save(tmp_path / save.__name__)
        images = save_clip(tmp_path / "images")
        short = ConditionEncoder.load(images, folder, max_text_tokens=24).encode_texts(CAPTIONS[:1])
        long = ConditionEncoder.load(images, folder, max_text_tokens=30).encode_texts(CAPTIONS[:1])
        assert short.tokens.shape[1] == 24 and long.tokens.shape[1] == 30
        torch.testing.assert_close(short.embedding, long.embedding)


def test_transparent_pixels_count_as_white(tmp_path: Path) -> None:
    encoder = ConditionEncoder.load(save_clip(tmp_path), tmp_path)
    clear = pictures()
    clear[..., 3] = 0
    white = np.full_like(clear, 255)
    torch.testing.assert_close(encoder.encode_images(clear), encoder.encode_images(white))


def test_embeddings_are_those_of_the_clip(tmp_path: Path) -> None:
    encoder = ConditionEncoder.load(save_clip(tmp_path), tmp_path)
    model = transformers.CLIPModel.from_pretrained(tmp_path)
    ids = word_tokenizer(CAPTIONS)(CAPTIONS, padding=True, return_tensors="pt")
    texts = model.get_text_features(**{name: ids[name] for name in ("input_ids", "attention_mask")}).pooler_output
    torch.testing.assert_close(encoder.encode_texts(CAPTIONS).embedding, F.normalize(texts, dim=-1))
    white = model.get_image_features(pixel_values=torch.zeros(1, 3, 32, 32)).pooler_output  # white is this one's 0
    image = np.full((1, 32, 32, 4), 255, np.uint8)
    torch.testing.assert_close(encoder.encode_images(image).embedding, F.normalize(white, dim=-1))


def test_a_model_that_cannot_be_fetched_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"facebook/dinov2-small is not on this machine.*hf download") as error:
        ConditionEncoder.load("facebook/dinov2-small", save_clip(tmp_path))
    assert "\n" not in str(error.value)


def test_folders_that_are_no_models(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no model folder"):
        ConditionEncoder.load(tmp_path / "absent", tmp_path)
    with pytest.raises(ModelError, match="holds no config"):
        ConditionEncoder.load(tmp_path, tmp_path)
    (tmp_path / "config.json").write_text("{ broken")
    with pytest.raises(ModelError, match="cannot be read"):
        ConditionEncoder.load(tmp_path, tmp_path)


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="'t5' model, none of the image encoders we know: use one of clip"):
        ConditionEncoder.load(save_t5(tmp_path / "t5"), save_clip(tmp_path / "clip"))
    with pytest.raises(ModelError, match="'dinov2' model, none of the text encoders"):
        ConditionEncoder.load(tmp_path / "clip", save_dinov2(tmp_path / "dinov2"))


def test_incomplete_or_broken_weights_are_refused(tmp_path: Path) -> None:
    folder = save_clip(tmp_path)
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights.pop("visual_projection.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lack 1 tensors, visual_projection\.weight first"):
        ConditionEncoder.load(folder, folder)
    (folder / "model.safetensors").write_bytes(b"not a weights file")
    with pytest.raises(ModelError, match="cannot be read"):
        ConditionEncoder.load(folder, folder)


def test_pickled_weights_are_not_read(tmp_path: Path) -> None:
    folder = save_clip(tmp_path)
    from safetensors.torch import load_file

    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        ConditionEncoder.load(folder, folder)


def test_code_in_a_model_folder_is_not_run(tmp_path: Path) -> None:
    folder = save_clip(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModel": "own.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ModelError):
        ConditionEncoder.load(folder, folder)
    assert not (tmp_path / "ran").exists()


def test_prompts_must_be_pictures_and_texts(tmp_path: Path) -> None:
    encoder = ConditionEncoder.load(save_clip(tmp_path), tmp_path)
    with pytest.raises(PromptError, match="at least one"):
        encoder.encode_texts([])
    with pytest.raises(PromptError, match="N at least 1"):
        encoder.encode_images(np.zeros((0, 8, 8, 4), np.uint8))
