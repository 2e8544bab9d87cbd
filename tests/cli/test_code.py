"""`ltm3d code`: what changed since results were made, and the record that they are the same."""

import json
import shutil
from pathlib import Path

import pytest
from imports import REPOSITORY
from source_copy import copy_sources

from ltm3d.cli.app import main
from ltm3d.cli.code import same
from ltm3d.errors import ConfigError
from ltm3d.freshness.records import read_records
from ltm3d.freshness.stage_code import CodeReader

EDITED = "ltm3d/geometry/signed_distance.py"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose distances were built by its code, and whose code was edited since."""
    copy_sources(tmp_path)
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copyfile(REPOSITORY / name, tmp_path / name)
    made_with = CodeReader(tmp_path).of("build_targets", item="sdf", kinds=("procedural",))
    state_dir = tmp_path / "data" / "runs" / "build_targets@sdf"
    state_dir.mkdir(parents=True)
    made_with.note(state_dir)
    shard = tmp_path / "data" / "targets" / "sdf" / "shard-00000"
    shard.mkdir(parents=True)
    (shard / "shard.json").write_text(json.dumps({"code": made_with.digest}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["code", *arguments])
    assert not ended.value.code
    return capsys.readouterr().out


def edit(checkout: Path) -> None:
    (checkout / EDITED).write_text((checkout / EDITED).read_text() + "\nUNUSED = 1\n")


def test_nothing_changed(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "status") == "0 of 1 stages with results have other code than made them\n"
    assert "nothing to record" in call(capsys, "same", "build_targets", "--why", "x")
    assert not (checkout / "code_same.yaml").exists()


def test_a_change_is_named_and_recorded_once(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(checkout)
    assert call(capsys, "status").splitlines()[0] == f"build_targets@sdf: {EDITED}"
    assert "commit it with the change" in call(capsys, "same", "build_targets@sdf", "--why", "nothing\n uses it")
    (record,) = read_records(checkout / "code_same.yaml")
    assert (record.stage, record.changed, record.why) == ("build_targets@sdf", EDITED, "nothing uses it")
    assert call(capsys, "status").startswith("0 of 1")
    assert "nothing to record" in call(capsys, "same", "build_targets", "--why", "again")
    edit(checkout)
    assert call(capsys, "status").startswith("build_targets@sdf: ")


def test_results_of_other_code_than_the_last_run_are_recorded_without_names(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(checkout)
    shutil.rmtree(checkout / "data" / "runs")
    (checkout / "data" / "runs").mkdir()
    call(capsys, "same", "build_targets", "--why", "pulled")
    (record,) = read_records(checkout / "code_same.yaml")
    assert record.changed == "other files, which no record names"


@pytest.mark.parametrize(("stage", "why", "message"), [("build_it", "x", "no stage"), ("download", " ", "is empty")])
def test_what_cannot_be_recorded_is_refused(checkout: Path, stage: str, why: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        same(stage, why, Path("data"))
