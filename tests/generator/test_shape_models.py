"""Eight shapes are memorised from their pictures: from meshes to meshes through the real parts, only small."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ltm3d import schema
from ltm3d.generator.ltr import LTR, LTRConfig
from ltm3d.generator.model import Generator, GeneratorConfig
from ltm3d.generator.sampling import SamplingConfig
from ltm3d.generator.shape_models import ShapeModels
from ltm3d.generator.standardization import ConditionStatistics
from ltm3d.generator.token_examples import LatentExamples
from ltm3d.generator.token_model import TokenModel, TokenShape
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.normalize import normalize
from ltm3d.geometry.surface_points import sample_surface
from ltm3d.metrics.surface import chamfer_l1
from ltm3d.procedural.objects import CATEGORIES, build_mesh, draw_object
from ltm3d.rendering.cameras import ViewConfig
from ltm3d.representations.sdf import SdfTargetConfig, build_sdf_target
from ltm3d.shards.read import ShardSet, read_shard
from ltm3d.shards.write import write_shard
from ltm3d.tokenizers.sdf import SdfTokenizer, SdfTokenizerConfig
from ltm3d.tokenizers.target_examples import SdfExampleConfig, SdfExamples
from ltm3d.tokenizers.tokenizer import DecodeConfig
from ltm3d.training.config import TrainingConfig
from ltm3d.training.launch import train_locally
from ltm3d.transforms.encode_conditions import ConditionEncoding
from ltm3d.transforms.encode_tokens import encode_set
from ltm3d.transforms.jobs import ShardJob
from ltm3d.transforms.render_views import render_views
from ltm3d.transforms.sample_shapes import condition_rows

NUM_SHAPES = 8
SHARD = "shard-00000"
TARGET = SdfTargetConfig(num_surface=4096, num_sharp=64, num_volume=4096, num_near=8192)
VIEWS = ViewConfig(num_views=1, resolution=64)
TOKENIZER = SdfTokenizerConfig(
    num_tokens=32,
    token_dim=8,
    width=64,
    encoder_depth=0,
    decoder_depth=1,
    num_heads=4,
    truncation=0.15,
    kl_weight=1e-5,
    memory_expansion=2,
)
RECONSTRUCTOR = LTRConfig(width=64, depth=1, num_heads=4)
GENERATOR = GeneratorConfig(
    width=96,
    encoder_depth=2,
    decoder_depth=2,
    num_heads=4,
    num_prefix=8,
    denoiser_width=96,
    denoiser_depth=2,
    condition_dropout=0.0,
    single_modality=0.3,
)


@dataclass(frozen=True)
class Scene:
    """The eight meshes, and the folder of their targets, conditions and tokens."""

    meshes: list[Mesh]
    root: Path
    uids: list[str]

    def set_of(self, name: str) -> ShardSet:
        return ShardSet(self.root / name, self.uids)

    def write(self, name: str, fields: tuple[schema.Field, ...], rows: list[dict[str, np.ndarray]]) -> None:
        arrays = {field.name: [row[field.name] for row in rows] for field in fields}
        records: list[dict[str, str]] = [{} for _ in rows]
        write_shard(
            self.root / name / SHARD,
            fields=fields,
            arrays=arrays,
            uids=self.uids,
            records=records,
            rejects=[],
            key="overfit",
        )


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Eight procedural shapes, one of each category and one more, with targets and conditions."""
    categories = [list(CATEGORIES)[index % len(CATEGORIES)] for index in range(NUM_SHAPES)]
    drawn = [draw_object(category, seed=0, index=index) for index, category in enumerate(categories)]
    meshes = [
        normalize(build_mesh(category, each.attributes, each.parameters))[0]
        for category, each in zip(categories, drawn, strict=True)
    ]
    scene = Scene(meshes, tmp_path_factory.mktemp("overfit"), [f"shape{index}" for index in range(NUM_SHAPES)])
    rng = np.random.default_rng(0)
    scene.write("targets", schema.SDF_TARGETS, [build_sdf_target(mesh, config=TARGET, rng=rng)[0] for mesh in meshes])
    named = list(zip(scene.uids, meshes, strict=True))
    scene.write("views", schema.VIEWS, [dict(render_views(mesh, VIEWS, 0, uid)) for uid, mesh in named])
    captions = {uid: each.caption for uid, each in zip(scene.uids, drawn, strict=True)}
    (scene.root / "captions.json").write_text(json.dumps(captions))
    encode = ConditionEncoding("efficientnet_lite0", "all_minilm_l6_v2", 64)
    inputs = (scene.root / "views" / SHARD, scene.root / "captions.json")
    encoded = encode(ShardJob(name=SHARD, uids=tuple(scene.uids), inputs=inputs, key=""))
    rows = [{name: values[index] for name, values in encoded.arrays.items()} for index in range(NUM_SHAPES)]
    scene.write("conditions", schema.CONDITIONS, rows)
    return scene


@pytest.fixture(scope="module")
def tokenizer(scene: Scene) -> SdfTokenizer:
    """A tokenizer trained on the eight shapes, which has written their tokens."""
    targets = scene.set_of("targets")
    examples = SdfExampleConfig(num_surface=512, num_volume=192, num_near=320, mirror=False)
    weights = train_locally(
        name="tokenizer",
        build_model=partial(SdfTokenizer, TOKENIZER),
        build_examples=partial(SdfExamples, targets, examples),
        build_validation=None,
        config=settings(num_steps=600, learning_rate=3e-3),
        run_dir=scene.root / "tokenizer",
        run_key="",
    ).weights
    model = SdfTokenizer(TOKENIZER)
    model.load_state_dict(load_file(weights))
    model.eval().requires_grad_(False)
    posterior = encode_set(model, targets, num_surface=2048)
    model.set_latent_statistics(posterior.mean, posterior.std)
    rows = [{"mean": mean.numpy(), "std": std.numpy()} for mean, std in zip(posterior.mean, posterior.std, strict=True)]
    scene.write("tokens", schema.TOKENS, rows)
    return model


def settings(*, num_steps: int, learning_rate: float) -> TrainingConfig:
    return TrainingConfig(
        num_steps=num_steps,
        global_batch_size=NUM_SHAPES,
        learning_rate=learning_rate,
        warmup_steps=50,
        lr_schedule="cosine",
        weight_decay=0.0,
        grad_clip=1.0,
        precision="fp32",
        checkpoint_every=num_steps,
        validate_every=num_steps,
        log_every=100,
    )


def surface(mesh: Mesh) -> np.ndarray:
    return sample_surface(mesh, 10_000, np.random.default_rng(1)).points


def train(model: Callable[[], TokenModel], examples: LatentExamples, name: str, scene: Scene, num_steps: int) -> Any:
    """Train a model on the eight shapes' tokens and conditions."""
    weights = train_locally(
        name=name,
        build_model=model,
        build_examples=lambda: examples,
        build_validation=None,
        config=settings(num_steps=num_steps, learning_rate=2e-3),
        run_dir=scene.root / name,
        run_key="",
    ).weights
    trained = model()
    trained.load_state_dict(load_file(weights))
    return trained.eval()


@pytest.fixture(scope="module")
def models(scene: Scene, tokenizer: SdfTokenizer) -> ShapeModels:
    examples = LatentExamples(scene.set_of("tokens"), scene.set_of("conditions"), tokenizer)
    shape = TokenShape(
        num_tokens=TOKENIZER.num_tokens,
        token_dim=TOKENIZER.token_dim,
        image_width=472,
        text_width=384,
        num_image_tokens=64,
    )
    statistics = ConditionStatistics.of(scene.set_of("conditions"))

    def build(kind: type[TokenModel], config: Any) -> TokenModel:
        model = kind(config, shape)
        model.set_condition_statistics(statistics)
        return model

    ltr = train(partial(build, LTR, RECONSTRUCTOR), examples, "ltr", scene, 300)
    generator = train(partial(build, Generator, GENERATOR), examples, "generator", scene, 650)
    return ShapeModels(tokenizer, ltr, generator)


@pytest.mark.slow
@pytest.mark.parametrize("alpha_schedule", ["off", "power"])
def test_eight_shapes_are_memorised_from_their_pictures(scene: Scene, models: ShapeModels, alpha_schedule: str) -> None:
    """Mean Chamfer distance of what is generated from the pictures: within 1.2 times the tokenizer's round trip."""
    conditions = read_shard(scene.root / "conditions" / SHARD)
    pictures = condition_rows(conditions, list(range(NUM_SHAPES)), ["image"] * NUM_SHAPES, view=0)
    sampling = SamplingConfig(num_steps=8, guidance_scale=1.0, alpha_schedule=alpha_schedule)
    tokens = models.generate(pictures, seeds=range(NUM_SHAPES), config=sampling)
    encoded = torch.from_numpy(np.array(read_shard(scene.root / "tokens" / SHARD)["mean"]))

    truth = [surface(mesh) for mesh in scene.meshes]
    decode = DecodeConfig(resolution=64)
    generated = [surface(models.tokenizer.decode_shape(row, decode)) for row in tokens]
    round_trip = [surface(models.tokenizer.decode_shape(row, decode)) for row in encoded]
    of_generated, of_round_trip = (
        np.array([chamfer_l1(*pair) for pair in zip(shapes, truth, strict=True)]) for shapes in (generated, round_trip)
    )
    others = np.array([chamfer_l1(a, b) for i, a in enumerate(truth) for b in truth[:i]])
    metrics = f"generated {of_generated}, round trip {of_round_trip}, between shapes {others.mean():.3f}"
    assert of_round_trip.mean() < others.mean() / 8, metrics
    assert of_generated.mean() < 1.2 * of_round_trip.mean(), metrics
