"""`ltm3d gc` in a small checkout; what it finds is tested in tests/tracking and tests/training."""

import json
from pathlib import Path

import pytest
import yaml

from ltm3d.cli import app
from ltm3d.cli.gc import read_receipts
from ltm3d.errors import ModelError
from ltm3d.tracking.spool import Spool


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"download": {"cmd": "c"}}}))
    (tmp_path / "params.yaml").write_text("representations: [sdf]\n")
    for label in ("download", "old"):
        folder = tmp_path / "data" / "runs" / label
        folder.mkdir(parents=True)
        folder.with_name(f"{label}.lock").touch()
        (folder / "mlflow_run_id").write_text("1")
        Spool(folder).append({"kind": "run", "time": 1})
        Spool(folder).offset = (folder / "spool.jsonl").stat().st_size
    return tmp_path


def call(*arguments: str) -> None:
    with pytest.raises(SystemExit) as raised:
        app.main(["gc", *arguments])
    assert not raised.value.code


def test_it_lists_and_removes_on_request_only(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call()
    out = capsys.readouterr().out
    assert "data/runs/old" in out and "--delete" in out and "download" not in out
    assert (checkout / "data/runs/old").is_dir()
    call("--delete")
    assert "MB removed" in capsys.readouterr().out
    assert not (checkout / "data/runs/old").exists() and (checkout / "data/runs/download").is_dir()
    call()
    assert "nothing to remove" in capsys.readouterr().out
    assert not (checkout / "mlflow.db").exists(), "no registry is made for looking"


@pytest.fixture
def smaller_recipe(checkout: Path) -> Path:
    """The checkout after a recipe of two representations, of which params.yaml has one now."""
    matrix = {"matrix": {"representation": "${representations}"}, "cmd": "c"}
    (checkout / "dvc.yaml").write_text(
        yaml.safe_dump({"stages": {"download": {"cmd": "c"}, "train_generator": matrix}})
    )
    for item in ("sdf", "mesh"):
        folder = checkout / "data/runs" / f"train_generator@{item}"
        folder.mkdir()
        folder.with_name(f"{folder.name}.lock").touch()
        (folder / "mlflow_run_id").write_text("1")
        (folder / "model.safetensors").write_bytes(bytes(2_000_000))
        (folder / "result.json").write_text(json.dumps({"steps": 800}))
    return checkout


def test_runs_that_the_recipe_leaves_out_stay_until_they_are_named(
    smaller_recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finished = smaller_recipe / "data/runs/train_generator@mesh"
    for arguments in ((), ("--delete",)):
        call(*arguments)
        _, _, apart = capsys.readouterr().out.partition("they stay unless asked for (--left-out mesh):\n")
        assert apart.splitlines()[0].split() == (
            ["2.0", "MB", "data/runs/train_generator@mesh", "(finished;", "params.yaml", "leaves", "mesh", "out)"]
        )
        assert finished.is_dir()
    assert not (smaller_recipe / "data/runs/old").exists(), "the rest has gone"
    call("--left-out", "mesh")
    assert "2.0 MB could go" in capsys.readouterr().out and finished.is_dir()
    call("--delete", "--left-out", "mesh")
    assert not finished.exists() and (smaller_recipe / "data/runs/train_generator@sdf/result.json").is_file()


def test_a_name_that_is_not_left_out_removes_nothing(smaller_recipe: Path) -> None:
    with pytest.raises(SystemExit, match=r"--left-out sdf: params\.yaml leaves out no such runs; there are: mesh"):
        app.main(["gc", "--delete", "--left-out", "sdf"])
    assert (smaller_recipe / "data/runs/old").is_dir()


def test_outside_a_checkout_it_says_where_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="run this in a checkout"):
        app.main(["gc"])


def test_a_receipt_that_cannot_be_read_stops_it(tmp_path: Path) -> None:
    (tmp_path / "sdf.json").write_text('{"uri": "models:/ltm3d-sdf/1"}')
    assert read_receipts(tmp_path) == {"models:/ltm3d-sdf/1"}
    (tmp_path / "mesh.json").write_text("{}")
    with pytest.raises(ModelError, match=r"mesh\.json is no receipt"):
        read_receipts(tmp_path)
