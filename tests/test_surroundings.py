"""Containers with any uid, unpacked archives, bind mounts and linked data: one line with the remedy, beforehand."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ltm3d.errors import ConfigError
from ltm3d.surroundings import find_obstacles, refuse_obstacles, why_no_commit

PARAMS = "recipe: smoke\nseed: 0\nresources: {num_workers: 1, tracking_uri: 'sqlite:///mlflow.db'}\nsources: []\n"
STAGE = """
from pipelines import _stage
def main():
    with _stage.stage("toy", minutes="1 minute", disk="1 MB"):
        print("worked")
_stage.run(main)
"""


def names(folder: Path, *, by_dvc: bool = False) -> set[str]:
    return {each.name for each in find_obstacles(folder, by_dvc=by_dvc)}


def new_repository(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    author = ["-c", "user.name=t", "-c", "user.email=t@t"]
    for command in (["init", "--quiet"], [*author, "commit", "--quiet", "--allow-empty", "--message", "start"]):
        subprocess.run(["git", "-C", str(folder), *command], check=True)
    return folder


def run_stage(folder: Path, repository: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "params.yaml").write_text(PARAMS)
    (folder / "toy_stage.py").write_text(STAGE)
    given = {**os.environ, "PYTHONPATH": str(repository), **environment}
    command = [sys.executable, "toy_stage.py"]
    return subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, timeout=240)


def test_a_repository_with_a_home_and_a_user_has_no_obstacle(tmp_path: Path) -> None:
    assert not names(new_repository(tmp_path / "checkout"), by_dvc=True)


def test_a_home_that_is_missing_or_closed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "nothing"))
    assert "home folder" in names(tmp_path)
    with pytest.raises(ConfigError, match="set HOME to a folder of yours"):
        refuse_obstacles(tmp_path, by_dvc=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    assert "home folder" not in names(tmp_path)


def test_a_user_without_a_name_is_told_to_set_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    def no_name(uid: int) -> object:
        raise KeyError(uid)

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", no_name)
    with pytest.raises(ConfigError, match="set USER"):
        refuse_obstacles(tmp_path, by_dvc=False)


def test_why_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detail, remedy = why_no_commit(tmp_path) or ("", "")
    assert "no git repository" in detail and "git init" in remedy and "no_scm" in remedy
    subprocess.run(["git", "-C", str(tmp_path), "init", "--quiet"], check=True)
    assert "no commit yet" in (why_no_commit(tmp_path) or ("", ""))[0]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "not on PATH" in (why_no_commit(tmp_path) or ("", ""))[0]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to another user")
def test_a_checkout_of_another_user_is_told_of_safe_directory(tmp_path: Path, repository: Path) -> None:
    checkout = new_repository(tmp_path / "checkout")
    for path in (checkout, checkout / ".git"):
        os.chown(path, 12345, 12345)
    done = run_stage(checkout, repository, SUDO_UID="0", GIT_CONFIG_GLOBAL="/dev/null")
    assert done.returncode == 0 and "worked" in done.stdout, done.stderr
    (warning,) = [line for line in done.stderr.splitlines() if "belongs to another user" in line]
    assert f"git config --global --add safe.directory {checkout}" in warning


def test_linked_data_is_refused_under_dvc_before_any_work(tmp_path: Path, repository: Path) -> None:
    checkout = new_repository(tmp_path / "checkout")
    (tmp_path / "disk").mkdir()
    (checkout / "data").symlink_to(tmp_path / "disk")
    done = run_stage(checkout, repository, DVC_ROOT=str(checkout))
    assert done.returncode == 1 and "worked" not in done.stdout
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: data is a link to ") and "dvc cache dir --local" in last
    assert run_stage(checkout, repository).returncode == 0, "without DVC a link is as good as a folder"
