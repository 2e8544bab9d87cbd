"""The parts of a generator's gallery, from shards and models as the stages write them, only small."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from shapes import sphere
from tiny_bundle import make_tiny_bundle
from tiny_latents import make_tiny_latents

from ltm3d import schema
from ltm3d.evaluation.generator_metrics import Evaluator, GenerationData
from ltm3d.evaluation.measurement import EvaluationConfig
from ltm3d.evaluation.metrics_table import Scores
from ltm3d.generator.ltr import LTR
from ltm3d.generator.sampling import SamplingConfig
from ltm3d.generator.shape_models import ShapeModels
from ltm3d.geometry.mesh import Mesh
from ltm3d.shards.index import read_index, uids_of_split
from ltm3d.shards.meshes import mesh_arrays
from ltm3d.shards.read import list_shards
from ltm3d.shards.write import Reject, write_shard
from ltm3d.tokenizers.kinds import load_tokenizer
from ltm3d.transforms.sample_shapes import SampleShapesConfig, decode_samples, list_prompts, sample_prompts
from pipelines._generated import generated_items, generated_processes

PARTS = ("tokenizer", "ltr", "generator")
CONFIG = SampleShapesConfig(
    sampling=SamplingConfig(num_steps=3), prompts=("image", "both"), num_seeds=2, resolution=16, view=1
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Meshes, views and samples of the test split; one sample has failed."""
    root = make_tiny_latents(tmp_path_factory.mktemp("generated"))
    data = root / "data"
    bundle = make_tiny_bundle(root / "bundle")
    shutil.copytree(bundle / "generator", data / "models" / "generator" / "sdf")
    models = ShapeModels.load(**folders(data))
    entries = read_index(data / "meshes")
    ball = sphere(0.6, subdivisions=1)
    for shard in list_shards(data / "conditions"):
        uids = [uid for uid in uids_of_split(entries, "test") if uid in shard.uids]
        if not uids:
            continue
        meshes = {name: [array] * len(uids) for name, array in mesh_arrays(ball).items()}
        put(data / "meshes" / shard.name, schema.MESHES, meshes, uids)
        pictures = [np.full((3, 8, 8, 4), 40 * number, np.uint8) for number in range(len(uids))]
        views = {
            "images": pictures,
            "depth": [np.zeros((3, 8, 8), np.float16)] * len(uids),
            "normals": [np.zeros((3, 8, 8, 3), np.int8)] * len(uids),
            "cameras": [np.zeros((3, 4, 4), np.float32)] * len(uids),
        }
        put(data / "views" / shard.name, schema.VIEWS, views, uids)
        tokens = sample_prompts(models, shard, uids, CONFIG)
        result = decode_samples(models.tokenizer, list_prompts(uids, CONFIG), tokens, CONFIG.decode)
        lost = f"{uids[-1]}-image-1"
        kept = [index for index, uid in enumerate(result.uids) if uid != lost]
        write_shard(
            data / "samples" / "sdf" / shard.name,
            fields=schema.SAMPLES,
            arrays={name: [values[index] for index in kept] for name, values in result.arrays.items()},
            uids=[result.uids[index] for index in kept],
            records=[result.records[index] for index in kept],
            rejects=[Reject(uid=lost, reason="empty_decode", detail="")],
            key="tiny",
        )
    return data


def put(folder: Path, fields: tuple, arrays: dict, uids: list[str]) -> None:
    write_shard(folder, fields=fields, arrays=arrays, uids=uids, records=[{}] * len(uids), rejects=[], key="tiny")


def folders(data: Path) -> dict[str, Path]:
    return {part: data / "models" / part / "sdf" for part in PARTS}


def evaluator(data: Path, **settings: int) -> Evaluator:
    opened = GenerationData(data, "sdf", read_index(data / "meshes"), EvaluationConfig(**settings), 0)
    places = folders(data)
    return Evaluator(opened, load_tokenizer(places["tokenizer"]), LTR.load(places["ltr"]))


def test_an_item_a_prompt_with_its_samples_and_a_gap_where_one_failed(data: Path) -> None:
    measured = evaluator(data, num_gallery_assets=3)
    scores = [
        Scores("generated", kind, {entry.uid: {"chamfer_l1": 0.5} for entry in measured.entries})
        for kind in ("image", "both")
    ]
    items = generated_items(measured, scores, view=1)
    assert [item.prompt_kind for item in items] == ["image"] * 3 + ["both"] * 3
    failed = [item for item in items if None in item.samples]
    assert failed and all(item.prompt_kind == "image" for item in failed)
    assert all(len(item.samples) == 2 and isinstance(item.samples[0], Mesh) for item in items)
    assert all(item.metrics == {"chamfer_l1": 0.5} and item.prompt_image is not None for item in items)


def test_the_steps_shown_end_in_the_stored_sample(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    measured = evaluator(data, num_gallery_processes=2)
    with caplog.at_level(logging.WARNING):
        processes = generated_processes(measured, folders(data), CONFIG)
    assert caplog.text == "", "a recorded sample that is another than the stored one would be named"
    assert [process.prompt_kind for process in processes] == ["both", "both"]
    for process in processes:
        assert len(process.shapes) == 4 and process.known_at.max() == 3
        stored, _ = measured.data.samples[process.uid, "both"][0]
        last = process.shapes[-1]
        assert isinstance(last, Mesh) and isinstance(stored, Mesh)
        np.testing.assert_allclose(last.vertices, stored.vertices, atol=1e-4)


def test_another_sample_is_named(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    measured = evaluator(data, num_gallery_processes=1)
    uid = sorted(entry.uid for entry in measured.entries)[0]
    shape, tokens = measured.data.samples[uid, "both"][0]
    measured.data.samples[uid, "both"][0] = (shape, tokens + 1)
    with caplog.at_level(logging.WARNING):
        generated_processes(measured, folders(data), CONFIG)
    assert f"{uid}: the steps shown end 1 off" in caplog.text


def test_without_the_generators_weights_or_the_wish_there_are_no_steps(data: Path, tmp_path: Path) -> None:
    places = folders(data)
    bare = tmp_path / "generator"
    shutil.copytree(places["generator"], bare, ignore=shutil.ignore_patterns("*.safetensors"))
    assert generated_processes(evaluator(data), {**places, "generator": bare}, CONFIG) == []
    assert generated_processes(evaluator(data, num_gallery_processes=0), places, CONFIG) == []
