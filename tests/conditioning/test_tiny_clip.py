"""The small CLIP: tokenizer, loss, augmentation, and the folder it saves."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from half_precision import assert_same_in_bf16
from torch import Tensor

from ltm3d.conditioning.clip_examples import ClipExamples
from ltm3d.conditioning.tiny_clip import (
    BEGIN,
    END,
    PAD,
    UNKNOWN,
    TinyClip,
    TinyClipConfig,
    augment_images,
    build_tokenizer,
    contrastive_loss,
    drop_words,
    move,
)
from ltm3d.errors import ConfigError, DataError
from ltm3d.geometry.mesh import Mesh

CONFIG = TinyClipConfig(
    image_size=32,
    image_dim=32,
    image_layers=2,
    text_dim=32,
    text_layers=2,
    num_heads=2,
    projection_dim=32,
    max_words=16,
)
COLOURS = {"red": (220, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 220), "yellow": (230, 220, 20)}
CAPTIONS = [f"A 3D model of a {colour} {shape}." for colour in COLOURS for shape in ("box", "bar")]


class Draws:
    """Uniform draws of a fixed seed, as training gives them."""

    def __init__(self, seed: int, batch: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.batch = batch

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand((self.batch, *shape), generator=self.generator)


def pictures(size: int = 40) -> np.ndarray:
    """One asset a caption, two views each: a coloured square or bar on a transparent background."""
    images = np.zeros((len(CAPTIONS), 2, size, size, 4), np.uint8)
    for index in range(len(CAPTIONS)):
        colour = list(COLOURS.values())[index // 2]
        for view in range(2):
            rows = slice(12, 28) if index % 2 == 0 else slice(18, 22)
            columns = slice(12, 28) if index % 2 == 0 else slice(4 + view, 36)
            images[index, view, rows, columns] = (*colour, 255)
    return images


def examples() -> ClipExamples:
    meshes = [trimesh.creation.box(extents) for extents in 4 * [(1, 1, 1), (1.8, 0.3, 0.3)]]
    images = pictures()
    seen = (images[..., 3] > 0).astype(np.float16)
    views = [
        {
            "images": image,
            "depth": 2 * each,
            "normals": np.stack([0 * each, 0 * each, 127 * each], axis=-1).astype(np.int8),
            "cameras": np.tile(np.eye(4, dtype=np.float32), (2, 1, 1)),
        }
        for image, each in zip(images, seen, strict=True)
    ]
    return ClipExamples(
        views,
        CAPTIONS,
        [Mesh(vertices=mesh.vertices.astype(np.float32), faces=mesh.faces) for mesh in meshes],
        build_tokenizer(CAPTIONS, config=CONFIG),
        field_of_view=30.0,
        size=CONFIG.image_size,
        num_points=64,
    )


def batch_of(data: ClipExamples, rng: np.random.Generator) -> dict[str, Tensor]:
    rows = [data.example(index, rng) for index in range(len(data))]
    return {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}


@pytest.fixture
def model() -> TinyClip:
    torch.manual_seed(0)
    return TinyClip(CONFIG, vocabulary_size=len(build_tokenizer(CAPTIONS, config=CONFIG)))


def test_tokenizer_is_lower_cased_and_frames_every_text() -> None:
    tokenizer = build_tokenizer(CAPTIONS, config=CONFIG)
    ids = tokenizer("A RED box")["input_ids"]
    assert ids == tokenizer("a red BOX")["input_ids"]
    assert ids[0] == BEGIN and ids[-1] == END and UNKNOWN not in ids
    assert tokenizer("a purple box")["input_ids"][2] == UNKNOWN
    assert tokenizer("a", padding="max_length")["input_ids"].count(PAD) == CONFIG.max_words - 3


def test_a_long_text_is_cut_but_keeps_its_end() -> None:
    ids = build_tokenizer(CAPTIONS, config=CONFIG)("red " * 100, truncation=True)["input_ids"]
    assert len(ids) == CONFIG.max_words and ids[-1] == END


def test_tokenizer_does_not_depend_on_the_order_of_captions() -> None:
    one, other = (build_tokenizer(texts, config=CONFIG).get_vocab() for texts in (CAPTIONS, CAPTIONS[::-1]))
    assert one == other


def test_vocabulary_keeps_the_most_frequent_words() -> None:
    small = TinyClipConfig(max_vocabulary=6)
    vocabulary = build_tokenizer(["the the the chair", "a chair chair of wood the"], config=small).get_vocab()
    assert set(vocabulary) == {"<pad>", "<unk>", "<begin>", "<end>", "the", "chair"}


def test_captions_without_words_are_refused() -> None:
    with pytest.raises(DataError, match="no word"):
        build_tokenizer(["", " "], config=CONFIG)


def test_equal_captions_are_not_negatives() -> None:
    embeddings = torch.nn.functional.normalize(torch.randn(4, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    index = torch.tensor([0, 1, 2, 3])
    doubled = torch.cat((embeddings, embeddings[:1]))
    as_negative, _ = contrastive_loss(20 * doubled @ doubled.T, torch.arange(5))
    as_equal, accuracy = contrastive_loss(20 * doubled @ doubled.T, torch.cat((index, index[:1])))
    assert as_equal < as_negative
    assert accuracy == 1
    reference = torch.nn.functional.cross_entropy(20 * embeddings @ embeddings.T, index)
    torch.testing.assert_close(contrastive_loss(20 * embeddings @ embeddings.T, index)[0], reference)


def test_augmentation_of_a_sample_depends_on_its_own_draws() -> None:
    images = torch.from_numpy(pictures()[:, 0])
    draws = torch.rand(len(images), 2, generator=torch.Generator().manual_seed(1))
    whole = augment_images(images, draws, config=CONFIG)
    torch.testing.assert_close(whole[3:5], augment_images(images[3:5], draws[3:5], config=CONFIG))
    assert whole.shape == (len(images), 3, 32, 32) and whole.min() >= -2.001 and whole.max() <= 0.001


def test_augmentation_moves_on_white() -> None:
    image = torch.from_numpy(pictures(32)[:1, 0])
    config = TinyClipConfig(image_size=32, max_shift=0.125)
    middle = torch.tensor([[0.5, 0.5]])
    still = augment_images(image, middle, config=config)
    assert torch.all(still[0, :, 0, 0] == 0)  # white
    moved = augment_images(image, torch.tensor([[0.0, 0.5]]), config=config)
    torch.testing.assert_close(moved[:, :, 4:], still[:, :, :-4])


def test_dropped_words_leave_special_tokens() -> None:
    ids = torch.tensor([[BEGIN, 7, 8, END, PAD]])
    assert drop_words(ids, torch.zeros(1, 5), 1.0).tolist() == [[BEGIN, UNKNOWN, UNKNOWN, END, PAD]]
    assert drop_words(ids, torch.zeros(1, 5), 0.0).tolist() == ids.tolist()


@pytest.mark.parametrize("shape_weight", [0.0, 1.0])
def test_training_learns_which_text_goes_with_which_picture(shape_weight: float) -> None:
    torch.manual_seed(0)
    config = replace(CONFIG, word_dropout=0.0, max_shift=0.0, shape_weight=shape_weight, surface_weight=0.0)
    data, rng = examples(), np.random.default_rng(0)
    model = TinyClip(config, vocabulary_size=len(build_tokenizer(CAPTIONS, config=config)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for step in range(100):
        loss, metrics = model.training_loss(batch_of(data, rng), Draws(step, len(data)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert metrics["accuracy"] >= 0.75
    if shape_weight == 0:
        assert loss < 1.0
    else:
        assert metrics["shape_accuracy"] >= 2 / len(CAPTIONS)  # boxes are told from bars; of each form there are four


def test_patches_learn_where_the_surface_lies_that_they_see() -> None:
    torch.manual_seed(0)
    data, rng = examples(), np.random.default_rng(0)
    config = replace(CONFIG, shape_weight=0.0)
    model = TinyClip(config, vocabulary_size=len(build_tokenizer(CAPTIONS, config=config)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    errors = []
    for step in range(150):
        loss, metrics = model.training_loss(batch_of(data, rng), Draws(step, len(data)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        errors.append(float(metrics["surface_l1"]))
    assert errors[-1] < 0.1 * errors[0]  # depth 2 and normal z are constants, x and y the place in the picture


def test_maps_move_with_their_picture() -> None:
    image = torch.from_numpy(pictures(32)[:4, 0])
    config = TinyClipConfig(image_size=32, max_shift=0.125)
    draws = torch.tensor([[0.0, 0.9], [0.5, 0.5], [0.9, 0.2], [0.3, 0.0]])
    pixels = augment_images(image, draws, config=config)
    alpha = move(image[..., 3:].float() / 255, draws, max_shift=config.max_shift)
    assert torch.equal(alpha[..., 0] > 0, (pixels != 0).any(dim=1))


def test_images_are_contrasted_with_shapes_only_where_asked(model: TinyClip) -> None:
    data = examples()
    batch = batch_of(data, np.random.default_rng(0))
    plain = TinyClip(replace(CONFIG, shape_weight=0.0), vocabulary_size=len(build_tokenizer(CAPTIONS, config=CONFIG)))
    plain.clip.load_state_dict(model.clip.state_dict())
    with_shapes, metrics = model.training_loss(batch, Draws(0, len(data)))
    without, plain_metrics = plain.training_loss(batch, Draws(0, len(data)))
    assert "shape_accuracy" in metrics and "shape_accuracy" not in plain_metrics and with_shapes > without
    batch["points"] = batch["points"].flip(0)
    assert model.training_loss(batch, Draws(0, len(data)))[0] != with_shapes


def test_every_weight_takes_part_in_the_loss(model: TinyClip) -> None:
    data = examples()
    model.training_loss(batch_of(data, np.random.default_rng(0)), Draws(0, len(data)))[0].backward()
    assert [name for name, weight in model.named_parameters() if weight.grad is None] == []


def test_bf16_makes_noise_of_nothing(model: TinyClip) -> None:
    data = examples()
    batch = batch_of(data, np.random.default_rng(0))
    assert_same_in_bf16(model, lambda: model.training_loss(batch, Draws(0, len(data))))


def test_transformers_loads_what_was_saved(model: TinyClip, tmp_path: Path) -> None:
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    tokenizer = build_tokenizer(CAPTIONS, config=CONFIG)
    model.save(tmp_path, tokenizer)
    loaded, read = AutoModel.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    text = "A 3D model of a red sphere."
    assert read(text)["input_ids"] == tokenizer(text)["input_ids"] and read.model_max_length == CONFIG.max_words
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    torch.testing.assert_close(
        loaded.get_text_features(input_ids=ids).pooler_output, model.clip.get_text_features(input_ids=ids).pooler_output
    )
    processor = AutoImageProcessor.from_pretrained(tmp_path)
    image = pictures()[0, 0]
    on_white = np.where(image[..., 3:] > 0, image[..., :3], 255).astype(np.uint8)
    processed = processor(images=[on_white], return_tensors="pt", input_data_format="channels_last")["pixel_values"]
    trained_on = augment_images(torch.from_numpy(image[None]), torch.tensor([[0.5, 0.5]]), config=CONFIG)
    torch.testing.assert_close(processed, trained_on, atol=0.02, rtol=0)


def test_saving_twice_gives_the_same_bytes(model: TinyClip, tmp_path: Path) -> None:
    for name in ("one", "two"):
        model.save(tmp_path / name, build_tokenizer(CAPTIONS, config=CONFIG))
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert {"config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"} <= set(files)
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_size": 100}, "multiple of patch_size"),
        ({"image_dim": 130}, "multiple of num_heads"),
        ({"text_layers": 0}, "at least 1"),
        ({"word_dropout": 1.5}, "between 0 and 1"),
        ({"max_words": 2}, "at least 4"),
        ({"shape_weight": -1.0}, "shape_weight .* or more"),
        ({"surface_weight": -1.0}, "surface_weight .* or more"),
        ({"image_size": 63, "patch_size": 7}, "multiple of 2"),
    ],
)
def test_settings_out_of_range_are_named(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TinyClipConfig(**settings)
