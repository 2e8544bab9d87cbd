"""The way to a machine with nothing but torch and back: pack, train there, unpack."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from imports import REPOSITORY
from tiny_latents import make_tiny_latents

from ltm3d.errors import ConfigError, ModelError
from ltm3d.generator.shape_models import ShapeModels, check_trained_on
from ltm3d.nn.weights import load_config, weights_hash
from ltm3d.shards.read import read_shard
from ltm3d.training.config import learning_rate_at
from ltm3d.transforms.jobs import ShardJob
from ltm3d.transforms.sample_shapes import ShapeSampler
from pipelines import pack, unpack
from pipelines._packed import read_packed
from pipelines.train_packed import peak_tflops

# None of them is on a machine that has torch, numpy, safetensors and jaxtyping alone.
ABSENT = (
    *("ray", "mlflow", "dvc", "hydra", "omegaconf", "open3d", "deepspeed", "trimesh", "scipy", "skimage", "rich"),
    *("PIL", "yaml", "typer", "transformers", "tokenizers", "numba", "fpsample", "pykdtree", "pebble", "pydantic"),
)
START = f"""
import runpy, sys
sys.modules |= dict.fromkeys({ABSENT!r})
sys.argv = ["train_packed", *sys.argv[1:]]
runpy.run_module("pipelines.train_packed", run_name="__main__", alter_sys=True)
"""
PEAK = 0.25  # TFLOP/s, as if


def start(*arguments: str) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", START, "packed", "result", "--device", "cpu", *arguments]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with its packed folder and a result: the training was killed once and went on."""
    root = make_tiny_latents(tmp_path_factory.mktemp("train_packed"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        pack.main(["packed"])
        options = ("--minutes", "0.35", "--peak-tflops", str(PEAK))
        first = start(*options)
        while not list(Path("result/run").glob("checkpoints/*/*/COMMIT")):
            assert first.poll() is None, first.communicate()[1]
            time.sleep(0.05)
        first.kill()
        first.communicate()
        plan = Path("result/plan.json").read_bytes()
        second = start(*options)
        log = second.communicate()[1]
        assert second.returncode == 0, log
        assert Path("result/plan.json").read_bytes() == plan
    return root


@pytest.fixture
def result(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(checkout)
    return Path("result")


@pytest.mark.slow
def test_the_run_that_was_killed_ended_as_it_was_planned(result: Path) -> None:
    document = json.loads((result / "result.json").read_text())
    rows = [json.loads(line) for line in (result / "metrics.jsonl").read_text().splitlines()]
    num_steps = json.loads((result / "plan.json").read_text())["num_steps"]
    assert document["resumed_from"] >= 2
    assert document["num_steps"] == num_steps == rows[-1]["step"]
    assert [row["step"] for row in rows] == sorted({row["step"] for row in rows})
    planned = replace(read_packed(result).training, num_steps=num_steps)
    assert all(row["train/learning_rate"] == learning_rate_at(planned, row["step"] - 1) for row in rows)
    assert "validation/loss" in rows[-1]
    for row in rows:
        rate = row["train/samples_per_second"]
        assert row["train/tokens_per_second"] == pytest.approx(4 * rate)
        assert row["train/flop_utilisation"] == pytest.approx(
            rate * document["training_flops_per_sample"] / (PEAK * 1e12)
        )
    assert document["peak_bf16_dense_tflops"] == PEAK and document["seconds_per_shape"] > 0
    assert document["peak_memory_bytes"] > 1e7


@pytest.mark.slow
def test_unpacked_models_and_samples_are_what_the_stages_would_have_made(result: Path) -> None:
    unpack.main(["result"])
    data = Path("data").absolute()
    folders = {part: data / "models" / part / "sdf" for part in ("tokenizer", "ltr", "generator")}
    ShapeModels.load(**folders)
    config = read_packed(result).sampling
    sampler = ShapeSampler(folders["tokenizer"], folders["ltr"], folders["generator"], config)
    shards = sorted((data / "samples" / "sdf").glob("shard-*"))
    found: set[str] = set()
    for folder in shards:
        shard = read_shard(folder)
        uids = tuple(sorted({record["uid"] for record in shard.records}))
        made = sampler(ShardJob(name=folder.name, uids=uids, inputs=(data / "conditions" / folder.name,), key=""))
        assert list(made.uids) == shard.uids and list(made.records) == shard.records
        assert np.allclose(np.stack(made.arrays["tokens"]), np.array(shard["tokens"]), atol=1e-4)
        found.update(uids)
    assert found == set(read_packed(result).test_uids)
    curve = json.loads((data / "plots" / "train_generator_sdf.json").read_text())
    assert curve[-1]["step"] == json.loads((result / "result.json").read_text())["num_steps"]


@pytest.mark.slow
def test_without_its_weights_the_result_can_be_measured_but_not_sampled(result: Path, tmp_path: Path) -> None:
    light = tmp_path / "light"
    (light / "generator").mkdir(parents=True)
    for name in ("packed.json", "result.json", "metrics.jsonl", "samples.safetensors", "generator/config.json"):
        (light / name).write_bytes((result / name).read_bytes())
    unpack.main([str(light)])
    folders = {part: Path("data/models") / part / "sdf" for part in ("tokenizer", "ltr", "generator")}
    check_trained_on(folders["tokenizer"], folders["ltr"], folders["generator"])
    assert load_config(folders["generator"])["model"]["width"] == 64
    with pytest.raises(ModelError, match=r"holds no model\.safetensors"):
        ShapeModels.load(**folders)


@pytest.mark.slow
def test_a_result_of_another_tokenizer_or_recipe_is_refused(result: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = read_packed(result)
    params = unpack.load_params()
    params.raw["generator"]["sdf"]["model"]["width"] = 32
    with pytest.raises(ConfigError, match="experiment=smoke"):
        unpack.check_fits(packed, params)
    folder = Path("data/models/tokenizer/sdf")
    packed.hashes["tokenizer"] = "0" * 64
    assert weights_hash(folder) != "0" * 64
    with pytest.raises(ModelError, match="pack anew"):
        unpack.check_fits(packed, unpack.load_params())


def test_the_peak_is_the_given_one_or_none_where_the_device_is_unknown() -> None:
    assert peak_tflops(torch.device("cpu"), 3.0) == 3.0
    assert peak_tflops(torch.device("cpu"), None) is None
