"""Promotion on a real registry with real models."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from imports import REPOSITORY
from mlflow_database import new_database
from mlflow_server import PASSWORD, USER, mlflow_server, postgres_folder
from small_registry import GATE, NAME, Registry

from ltm3d.cli import app
from ltm3d.errors import ModelError
from ltm3d.registry.old_weights import find_old_weights, remove_weights
from ltm3d.registry.promotion import promote, roll_back
from ltm3d.registry.registration import find_version, resolve_model
from ltm3d.registry.versions import get_version_by_alias
from ltm3d.tracking.client import open_client

GOOD, WORSE, BETTER = [0.3, 0.2, 0.4, 0.3], [0.4, 0.3, 0.5, 0.4], [0.2, 0.1, 0.3, 0.2]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    folder = tmp_path_factory.mktemp("registry")
    yield Registry(folder, new_database(folder))


def promote_twice_at_once(registry: Registry) -> list[str]:
    """Let two processes promote in the same moment; return what each says."""
    driver = REPOSITORY / "tests" / "support" / "promote_driver.py"
    processes = [
        subprocess.Popen(
            [sys.executable, str(driver), NAME, registry.uri, str(registry.code.folder)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=200)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    return answers


def call_promote(registry: Registry, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Call the command and return its exit code and what it prints."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as raised:
        app.main(["promote", *arguments, "--repository", str(registry.code.folder), "--tracking-uri", registry.uri])
    return int(raised.value.code or 0), capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_champions_come_and_go(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError, match="no challenger"):
        promote(NAME, GATE, registry.uri, repository=registry.code.folder)
    first = registry.add(GOOD)
    with pytest.raises(ModelError, match="nothing to roll back"):
        roll_back(NAME, registry.uri)

    assert promote(NAME, None, registry.uri, repository=registry.code.folder, dry_run=True).passed
    assert registry.alias("champion") is None, "a dry run changes nothing"
    assert promote(NAME, None, registry.uri, repository=registry.code.folder).passed
    assert registry.alias("champion") == first
    assert promote(NAME, GATE, registry.uri, repository=registry.code.folder).reasons == (
        f"models:/{NAME}/{first} is champion already",
    )

    worse = registry.add(WORSE)
    code, out = call_promote(registry, capsys, "--representation", "sdf")
    assert code == 1 and "cd better" in out and "FAILS" in out and f"{NAME}: the gate keeps the challenger out" in out
    assert registry.alias("champion") == first and registry.alias("challenger") == worse
    tagged = get_version_by_alias(NAME, "challenger", registry.uri)
    assert tagged is not None and json.loads(tagged.tags["gate"])["passed"] is False

    better = registry.add(BETTER)
    answers = promote_twice_at_once(registry)
    assert all(answer.startswith("True") for answer in answers)
    assert registry.aliases() == {"challenger": better, "champion": better, "previous_champion": first}

    code, out = call_promote(registry, capsys, "--rollback", "--dry-run")
    assert code == 0 and f"models:/{NAME}/{first} would be champion again" in out
    assert registry.alias("champion") == better
    assert call_promote(registry, capsys, "--model-name", NAME, "--rollback")[0] == 0
    assert (registry.alias("champion"), registry.alias("previous_champion")) == (first, better)


@pytest.mark.slow
def test_a_model_that_cannot_answer_is_not_promoted(registry: Registry) -> None:
    version = registry.add([0.01, 0.01, 0.01, 0.01])
    weights = resolve_model(f"models:/{NAME}/{version}", registry.uri) / "generator" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    before = registry.aliases()
    decision = promote(NAME, GATE, registry.uri, repository=registry.code.folder)
    assert not decision.passed
    assert "answers a prompt" in decision.reasons[0] and "not those that were registered" in decision.reasons[0]
    assert registry.aliases() == before


@pytest.mark.slow
def test_what_was_trained_with_changes_is_not_promoted_before_a_commit_has_them(registry: Registry) -> None:
    code = registry.code
    code.change(factor=100)
    version = registry.add([0.01, 0.01, 0.01, 0.02])
    code.revert()
    decision = promote(NAME, GATE, registry.uri, repository=code.folder, dry_run=True)
    assert [row.check for row in decision.table if not row.passed] == ["made of committed code"]
    assert "has other code of train@sdf" in decision.reasons[0] and "changes that no commit has" in decision.reasons[0]
    code.change(factor=100)
    commit = code.commit()
    decision = promote(NAME, GATE, registry.uri, repository=code.folder)
    assert decision.passed, decision.reasons
    assert f"commit {commit[:12]} has it" in decision.to_table()
    assert find_version(f"models:/{NAME}/{version}", registry.uri).tags["committed_in"] == commit


@pytest.mark.slow
def test_what_was_measured_with_changes_is_not_promoted(registry: Registry) -> None:
    code = registry.code
    code.change(factor=7)
    by_changed = code.made()
    code.revert()
    registry.add([0.01, 0.01, 0.01, 0.02], measured={"train@mesh": [by_changed]})
    decision = promote(NAME, GATE, registry.uri, repository=code.folder)
    assert not decision.passed and "has other code of train@mesh" in decision.reasons[0]
    registry.add([0.001, 0.001, 0.001, 0.002], measured={"train@mesh": [code.made()]})
    decision = promote(NAME, GATE, registry.uri, repository=code.folder)
    assert decision.passed, decision.reasons


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(postgres_folder() is None, reason="no Postgres is installed, or none that this user may run")
def test_the_same_behind_a_server_with_postgres_and_passwords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTM3D_CACHE", str(tmp_path / "cache"))
    with mlflow_server(tmp_path) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", USER)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "a guess")
        with pytest.raises(ModelError, match="MLFLOW_TRACKING_PASSWORD"):
            get_version_by_alias(NAME, "champion", uri)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
        registry = Registry(tmp_path, uri)
        first = registry.add(GOOD)
        with pytest.raises(ModelError, match="`ltm3d promote` makes"):
            resolve_model(f"models:/{NAME}@champion", uri)
        assert promote(NAME, None, uri, repository=registry.code.folder).passed
        second = registry.add(BETTER)
        assert all(answer.startswith("True") for answer in promote_twice_at_once(registry))
        assert registry.aliases() == {"challenger": second, "champion": second, "previous_champion": first}
        roll_back(NAME, uri)
        assert registry.aliases() == {"challenger": second, "champion": first, "previous_champion": second}

        cached = resolve_model(f"models:/{NAME}@champion", uri)
        assert cached.is_relative_to(tmp_path / "cache")
        (cached / "generator" / "model.safetensors").write_bytes(b"other weights")
        again = resolve_model(f"models:/{NAME}@champion", uri)
        assert (again / "generator" / "model.safetensors").read_bytes() != b"other weights", "it is fetched again"

        third = registry.add(WORSE)
        page = tmp_path / "index.html"
        page.write_text("<p>")
        run = find_version(f"models:/{NAME}/{third}", uri).run_id
        open_client(uri).log_artifact(run, str(page), "gallery")
        registry.add(WORSE)
        (old,) = find_old_weights(uri, keep=0)
        assert old.version is not None and old.version.version == third and remove_weights(old, uri)
        assert [item.path for item in open_client(uri).list_artifacts(run)] == ["model_card"]
        with pytest.raises(ModelError, match="removed by `ltm3d gc`"):
            resolve_model(f"models:/{NAME}/{third}", uri)

        for file in (tmp_path / "artifacts").rglob("bundle.json"):
            file.unlink()
        with pytest.raises(ModelError, match="are gone"):
            resolve_model(f"models:/{NAME}/{second}", uri)
