import os
import sys
from pathlib import Path

import mlflow
import pytest
from imports import closure, imported_names, modules

from ltm3d.conditioning.packages import PACKAGES
from ltm3d.registry.logged_model import REQUIREMENTS, current_server, requirements
from ltm3d.tracking.client import absolute_uri


def test_the_server_is_chosen_for_a_block_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://before")
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    with current_server("sqlite:///here.db"):
        assert mlflow.get_tracking_uri() == mlflow.get_registry_uri() == f"sqlite:///{tmp_path}/here.db"
    assert mlflow.get_tracking_uri() == mlflow.get_registry_uri() == "http://before"
    assert "MLFLOW_REGISTRY_URI" not in os.environ


def test_an_empty_address_is_the_environments_or_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server")
    assert absolute_uri("") == "http://server"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert absolute_uri("") == f"sqlite:///{tmp_path}/mlflow.db"


def test_requirements_are_exact_and_without_local_builds(tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text('{"encoder_requirements": ["a-package-of-weights==1.0"]}')
    lines = requirements(tmp_path)
    assert all("==" in line and "+" not in line for line in lines)
    assert any(line.startswith("torch==") for line in lines) and "a-package-of-weights==1.0" in lines
    (tmp_path / "bundle.json").write_text("{}")  # of a version whose encoders are no packages
    assert requirements(tmp_path) == lines[:-1]


def test_what_generation_may_import_is_required() -> None:
    """Preparing meshes and points is in the same packages, and asks for more."""
    only_preparing = {"open3d", "fpsample"}
    names = closure("ltm3d.serving.model_file")
    found = {library.split(".")[0] for name in names for library in imported_names(modules()[name])}
    own = {"ltm3d", *sys.stdlib_module_names}
    of_bundles = {code.replace("-", "_") for package in PACKAGES.values() for code, _ in package.code}
    spelled = {"PIL": "pillow", "skimage": "scikit-image"}
    assert {spelled.get(library, library) for library in found - own - of_bundles} - only_preparing <= set(REQUIREMENTS)
