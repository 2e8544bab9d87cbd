"""Back from a version to code, settings and data, on a small real repository of git and DVC."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow_database import new_database
from tiny_bundle import make_tiny_bundle

from ltm3d.cli import app
from ltm3d.errors import DataError, ModelError
from ltm3d.registry.registration import register_model
from ltm3d.registry.restoration import restore_version
from ltm3d.registry.versions import RegisteredVersion
from ltm3d.tracking.client import experiment_id, open_client
from ltm3d.tracking.provenance import git_state, upstream_lock

CODE = """
import sys, yaml
from pathlib import Path
seed = yaml.safe_load(open("params.yaml"))["seed"]
out = Path(sys.argv[2]); out.parent.mkdir(parents=True, exist_ok=True)
out.write_text(f"{sys.argv[1]} {seed} of version one")
"""
DVC_YAML: dict[str, Any] = {
    "stages": {
        name: {"cmd": f"{sys.executable} make.py {name} {out}", "deps": deps, "params": ["seed"], kind: [entry]}
        for name, deps, kind, out, entry in (
            ("prepare", ["make.py"], "outs", "data/meshes", "data/meshes"),
            ("train", ["make.py", "data/meshes"], "outs", "data/models", "data/models"),
            ("other", ["make.py", "data/meshes"], "outs", "data/other", "data/other"),
            ("measure", ["data/models"], "metrics", "data/metrics/f.json", {"data/metrics/f.json": {"cache": False}}),
        )
    }
}


def run(folder: Path, *command: str) -> str:
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    for who in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{who}_NAME": "t", f"GIT_{who}_EMAIL": "t@t"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def dvc(folder: Path, *arguments: str) -> str:
    return run(folder, sys.executable, "-m", "dvc", *arguments)


def register(repository: Path, tracking_uri: str, run_folder: Path) -> RegisteredVersion:
    """Register with what the stage `register` writes beside a model."""
    card = run_folder / "card"
    shutil.copytree(repository / "data" / "metrics", card / "metrics")
    shutil.copyfile(repository / "params.yaml", card / "params.yaml")
    lock = yaml.safe_load((repository / "dvc.lock").read_text())
    entries = upstream_lock(lock, ["data/models", "data/metrics/f.json"])
    (card / "dvc.lock").write_text(yaml.safe_dump(entries, sort_keys=False))
    client = open_client(tracking_uri)
    return register_model(
        bundle=make_tiny_bundle(run_folder / "bundle"),
        name="ltm3d-sdf",
        metrics={},
        tags=git_state(repository),
        artifacts=sorted(card.iterdir()),
        tracking_uri=tracking_uri,
        run=client.create_run(experiment_id(client, tracking_uri, "ltm3d")).info.run_id,
    )


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_code_settings_and_data_come_back_from_a_version_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "make.py").write_text(CODE)
    (repository / "params.yaml").write_text("seed: 1\n")
    (repository / "dvc.yaml").write_text(yaml.safe_dump(DVC_YAML))
    run(repository, "git", "init", "-q")
    dvc(repository, "init", "-q")
    run(repository, "git", "add", "-A")
    run(repository, "git", "commit", "-q", "-m", "one")
    dvc(repository, "repro", "-q")
    tracking_uri = new_database(tmp_path)
    version = register(repository, tracking_uri, tmp_path / "run")
    assert version.tags["git_dirty"] == "false", "DVC's own files are no changes"
    lock = (repository / "dvc.lock").read_text()

    (repository / "make.py").write_text(CODE.replace("one", "two"))
    (repository / "params.yaml").write_text("seed: 2\n")
    dvc(repository, "repro", "-q")
    run(repository, "git", "add", "-A")
    run(repository, "git", "commit", "-q", "-m", "two")
    assert (repository / "data/models").read_text() == "train 2 of version two"

    folder = tmp_path / "restored"
    restored = restore_version("models:/ltm3d-sdf@challenger", folder, str(repository), tracking_uri)
    assert (restored.commit, restored.changes, restored.missing) == (version.tags["git_commit"], "", ())
    assert (folder / "make.py").read_text() == CODE
    assert (folder / "params.yaml").read_text() == "seed: 1\n"
    assert (folder / "data/meshes").read_text() == "prepare 1 of version one"
    assert (folder / "data/models").read_text() == "train 1 of version one"
    assert (folder / "data/metrics/f.json").read_text() == "measure 1 of version one"
    assert "up to date" in dvc(folder, "status", "prepare", "train", "measure")
    assert not (folder / "data/other").exists(), "what no part of the model was made of does not come"
    dvc(folder, "repro", "-q", "measure", "other")
    assert yaml.safe_load((folder / "dvc.lock").read_text())["stages"] == yaml.safe_load(lock)["stages"]

    (entry,) = yaml.safe_load(lock)["stages"]["train"]["outs"]
    (repository / ".dvc/cache/files/md5" / entry["md5"][:2] / entry["md5"][2:]).unlink()
    monkeypatch.chdir(repository)
    with pytest.raises(SystemExit) as raised:
        app.main(["restore", version.uri, "--to", str(tmp_path / "again"), "--tracking-uri", tracking_uri])
    out = capsys.readouterr().out
    assert not raised.value.code and "missing in cache and remote: data/models\n" in out and "data/meshes" not in out
    assert (tmp_path / "again/data/meshes").read_text() == "prepare 1 of version one"

    with pytest.raises(DataError, match="not empty"):
        restore_version(version.uri, folder, str(repository), tracking_uri)
    with pytest.raises(ModelError, match="names no repository"):
        restore_version(version.uri, tmp_path / "new", "", tracking_uri)
    with pytest.raises(ModelError, match="there is no model"):
        restore_version("models:/ltm3d-sdf/9", tmp_path / "new", str(repository), tracking_uri)
