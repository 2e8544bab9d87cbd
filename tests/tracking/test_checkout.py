"""Where a relative path of the registry leads, from each place that a stage may run in."""

import subprocess
from pathlib import Path

import pytest

from ltm3d.errors import ConfigError
from ltm3d.tracking.checkout import main_checkout
from ltm3d.tracking.client import absolute_uri


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def main(tmp_path: Path) -> Path:
    folder = tmp_path / "main"
    (folder / "part").mkdir(parents=True)
    (folder / "part/dvc.yaml").write_text("stages: {}\n")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "one")
    return folder


def test_a_worktree_stands_for_the_main_checkout(main: Path, tmp_path: Path) -> None:
    git(main, "worktree", "add", "-q", str(tmp_path / "tree"))
    assert main_checkout(main) == main
    assert main_checkout(main / "part") == main / "part"
    assert main_checkout(tmp_path / "tree") == main
    assert main_checkout(tmp_path / "tree/part") == main / "part", "a project in a folder of a larger repository"
    assert main_checkout(tmp_path) == tmp_path, "outside of git a folder stands for itself"


def test_an_experiment_of_dvc_stands_for_the_checkout_it_was_started_in(main: Path, tmp_path: Path) -> None:
    git(main, "worktree", "add", "-q", str(tmp_path / "tree"))
    for started_in, meant in ((main, main), (main / "part", main / "part"), (tmp_path / "tree", main)):
        folder = started_in / ".dvc/tmp/exps/tmpab12"
        folder.mkdir(parents=True)
        git(folder, "init", "-q")
        assert main_checkout(folder) == meant


def test_a_checkout_whose_git_lies_elsewhere_is_its_own(main: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--separate-git-dir", str(tmp_path / "elsewhere"), str(main), "clone")
    assert main_checkout(tmp_path / "clone") == tmp_path / "clone"


def test_a_worktree_without_a_main_checkout_is_refused(
    main: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(main), "bare")
    git(tmp_path / "bare", "worktree", "add", "-q", str(tmp_path / "tree"))
    monkeypatch.chdir(tmp_path / "tree")
    with pytest.raises(ConfigError, match=r"sqlite:///mlflow\.db is relative, and .*tree is a git worktree of .*bare"):
        absolute_uri("sqlite:///mlflow.db")
    assert absolute_uri("sqlite:////x/mlflow.db") == "sqlite:////x/mlflow.db"
    assert absolute_uri("http://mlflow:5000") == "http://mlflow:5000"


def test_an_uploaded_copy_uses_the_checkout_of_its_data_or_is_refused(
    main: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "session/working_dir_files/_ray_pkg_0123456789abcdef"
    copy.mkdir(parents=True)
    (copy / "dvc.yaml").write_text("stages: {}\n")
    monkeypatch.chdir(copy)
    monkeypatch.delenv("LTM3D_DATA", raising=False)
    with pytest.raises(ConfigError, match=r"LTM3D_DATA \(not set\) is no data/ of a checkout: give an absolute path"):
        absolute_uri("sqlite:///mlflow.db")
    monkeypatch.setenv("LTM3D_DATA", str(tmp_path / "shared"))
    with pytest.raises(ConfigError, match=r"LTM3D_DATA \(/.*/shared\) is no data/"):
        absolute_uri("sqlite:///mlflow.db")
    git(main, "worktree", "add", "-q", str(tmp_path / "tree"))
    for checkout, meant in ((main / "part", main / "part"), (tmp_path / "tree/part", main / "part")):
        monkeypatch.setenv("LTM3D_DATA", str(checkout / "data"))
        assert absolute_uri("sqlite:///mlflow.db") == f"sqlite:///{meant}/mlflow.db"
