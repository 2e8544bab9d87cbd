"""What a model is made of, from the first stage to the gate, on all stages of a tiny recipe that DVC runs."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from whole_pipeline import Checkout, stages_run

from ltm3d.registry.presence import is_registered
from ltm3d.registry.registration import find_version
from ltm3d.registry.versions import read_card_json
from ltm3d.tracking.client import open_client

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

LOSS_FILE, LOSS = "ltm3d/generator/model.py", "return loss, {"
MADE_BY = {
    *("download", "clean_meshes", "render_views", "caption_views", "build_targets@sdf", "encode_conditions"),
    *("encode_tokens@sdf", "train_tokenizer@sdf", "train_ltr@sdf"),
    "train_generator@sdf",
}
MEASURED_BY = ("sample_shapes@sdf", "evaluate_generator@sdf")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A checkout in which everything has run once; its lock is committed and its data is in a remote."""
    folder = tmp_path_factory.mktemp("lineage")
    checkout = Checkout.new(folder / "checkout")
    checkout.dvc("repro", "register@sdf")
    checkout.dvc("remote", "add", "--default", "team", str(folder / "remote"))
    checkout.dvc("push", "--quiet", "register@sdf", "--with-deps")
    checkout.commit()
    yield checkout
    shutil.rmtree(folder, ignore_errors=True)


def facts(checkout: Checkout) -> dict[str, str]:
    """The tags of the challenger that say what it was made of."""
    tags = find_version("models:/ltm3d-sdf@challenger", checkout.tracking_uri).tags
    measured = ("figure.", "protocol", "test_set", "references", "gate")
    return {name: value for name, value in tags.items() if not name.startswith(measured)}


def tag_of(label: str) -> str:
    """The tag of a version that has the code of a stage."""
    return f"code.{label.replace('@', '/')}"


def gate(checkout: Checkout) -> str:
    """The gate's row on the code; the others have no say here, four steps of training make no model."""
    output = checkout.ltm3d("promote", "--dry-run", code=None)
    return next(line for line in output.splitlines() if line.startswith("made of committed code"))


def test_every_stage_records_what_it_is_made_of_as_it_starts(made: Checkout) -> None:
    version = find_version("models:/ltm3d-sdf@challenger", made.tracking_uri)
    document: dict[str, Any] = read_card_json(version, "provenance.json", made.tracking_uri)
    assert set(document) == MADE_BY
    first = version.tags["git_commit"]
    for label, records in document.items():
        (record,) = records
        assert (record["stage"], record["git_commit"], record["git_dirty"]) == (label, first, "false")
        assert len(record["code"]) == 64 and record["source_kinds"] == ["procedural"]
        assert record["device"] == "cpu" and record["libraries"]["numpy"]
        assert version.tags[tag_of(label)] == record["code"]
    shard = json.loads((made.folder / "data/targets/sdf/shard-00000/shard.json").read_text())
    assert shard["provenance"] == document["build_targets@sdf"][0]
    measured = read_card_json(version, "measured_with.json", made.tracking_uri)
    assert {label: record["git_commit"] for label, (record,) in measured.items()} == dict.fromkeys(MEASURED_BY, first)
    run = json.loads((made.folder / "data/runs/train_generator@sdf/run.json").read_text())
    assert run["provenance"] == document["train_generator@sdf"]
    assert not list(made.folder.glob("data/runs/register@sdf/bundle/**/provenance.json")), "no part of the model"

    client = open_client(made.tracking_uri)
    runs = client.search_runs([client.get_experiment_by_name("ltm3d").experiment_id])
    assert len({each.data.tags["repro"] for each in runs}) == 1 and len(runs) >= len(MADE_BY) + 3
    trained = next(each for each in runs if each.info.run_name == "train_generator@sdf")
    assert {name.split(".")[0] for name in trained.data.params} == {"generator"}
    assert "data/tokens/sdf" in {each.dataset.name for each in trained.inputs.dataset_inputs}
    assert trained.data.tags["code"] == run["provenance"][0]["code"]


def test_a_second_repro_starts_nothing_and_a_lost_registry_is_filled_again(made: Checkout) -> None:
    assert stages_run(made.dvc("repro", "register@sdf")) == ["digest_inputs"]
    before, receipt = facts(made), made.receipt
    kept = made.folder.with_name("registry")
    kept.mkdir()
    for name in ("mlflow.db", "mlruns"):
        shutil.move(made.folder / name, kept / name)
    try:
        output = made.dvc("repro", "register@sdf")
        assert stages_run(output) == ["digest_inputs", "register@sdf"] and "it is registered again" in output
        assert facts(made) == before and made.receipt == receipt
        assert stages_run(made.dvc("repro", "register@sdf")) == ["digest_inputs"]
    finally:
        shutil.rmtree(made.folder / "mlruns", ignore_errors=True)
        for name in ("mlflow.db", "mlruns"):
            shutil.move(kept / name, made.folder / name)


def test_a_fresh_clone_registers_what_it_pulls(made: Checkout, tmp_path: Path) -> None:
    made.run("git", "clone", "--quiet", str(made.folder), str(tmp_path / "clone"))
    clone = Checkout(tmp_path / "clone")
    clone.dvc("pull", "--quiet", "register@sdf", "--with-deps")
    output = clone.dvc("repro", "register@sdf")
    assert stages_run(output) == ["digest_inputs", "register@sdf"], "no shard is made again, nothing is trained again"
    asked = (clone.receipt[key] for key in ("model", "version", "weights_hash"))
    assert is_registered(*asked, clone.tracking_uri) and clone.receipt["weights_hash"] == made.receipt["weights_hash"]
    here, there = facts(made), facts(clone)
    assert {name for name in here if name.startswith("code.")} == {tag_of(label) for label in MADE_BY}
    assert all(there[name] == value for name, value in here.items() if not name.startswith("git_"))
    assert "ok" in gate(clone).split()


def test_a_restored_version_and_one_made_from_nothing_have_the_same_weights(made: Checkout, tmp_path: Path) -> None:
    version = made.receipt["uri"]
    made.ltm3d("restore", version, "--to", str(tmp_path / "restored"), "--repository", str(made.folder))
    weights = "data/models/generator/sdf/model.safetensors"
    assert (tmp_path / "restored" / weights).read_bytes() == (made.folder / weights).read_bytes()

    made.run("git", "clone", "--quiet", str(made.folder), str(tmp_path / "anew"))
    anew = Checkout(tmp_path / "anew")
    anew.run("git", "checkout", "--quiet", facts(made)["git_commit"])
    assert not (anew.folder / ".dvc/cache").exists() and not (anew.folder / "data/raw").exists()
    anew.dvc("repro", "train_generator@sdf")
    assert (anew.folder / weights).read_bytes() == (made.folder / weights).read_bytes()
    shards = sorted(path.relative_to(made.folder) for path in made.folder.glob("data/targets/sdf/*/shard.json"))
    assert shards and all((anew.folder / path).read_bytes() == (made.folder / path).read_bytes() for path in shards)


def test_a_dirty_training_is_refused_after_the_revert(made: Checkout) -> None:
    """The last of these tests: it trains again."""
    first, clean = made.receipt, facts(made)
    made.replace(LOSS_FILE, LOSS, "return 100 * loss, {")
    output = made.dvc("repro", "--single-item", "digest_inputs", "train_generator@sdf")
    assert "code of train_generator@sdf changed: ltm3d/generator/model.py" in output
    made.run("git", "checkout", "--quiet", "--", "ltm3d")
    assert made.run("git", "status", "--porcelain", "ltm3d", "pipelines") == ""
    made.run("python", "-m", "pipelines.register", "sdf")
    assert made.receipt["weights_hash"] != first["weights_hash"]
    dirty = facts(made)
    assert dirty["git_dirty"] == "false", "as it was registered"
    assert dirty["code.train_generator/sdf"] != clean["code.train_generator/sdf"]
    assert dirty["code.train_tokenizer/sdf"] == clean["code.train_tokenizer/sdf"]
    said = gate(made)
    assert "FAILS" in said and "other code of train_generator@sdf" in said and "changes that no commit has" in said

    made.dvc("repro", "register@sdf")
    assert made.receipt["weights_hash"] == first["weights_hash"], "the commit's code makes the first weights again"
    assert "ok" in gate(made).split()
    assert facts(made) == clean
