"""The wheel, built from the files in git and used from another folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trimesh
from pipeline_copy import copy_pipeline
from tiny_bundle import make_tiny_bundle

from ltm3d import __version__

PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
PROGRAM = """
import sys
import ltm3d
shape = ltm3d.load(sys.argv[1]).generate(text="a red chair", steps=2)
print(ltm3d.__file__, shape.export("chair.glb"))
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the wheel brings; its requirements are those of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    source = copy_pipeline(folder / "source").folder
    build = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source]
    subprocess.run(build, check=True, cwd=folder, capture_output=True)
    (wheel,) = folder.glob("ltm3d-*.whl")
    subprocess.run([*PIP, "install", "--no-deps", "--target", folder / "site", wheel], check=True, capture_output=True)
    return folder / "site"


def run(installed: Path, folder: Path, *command: str | Path, **variables: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed), **variables}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_a_model_answers_from_another_folder(installed: Path, tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "bundle")
    file, out = run(installed, tmp_path, sys.executable, "-c", PROGRAM, bundle).split()
    assert Path(file).is_relative_to(installed) and out == "chair.glb"
    assert len(trimesh.load(tmp_path / out, force="mesh").faces) > 20


def test_the_command_line_works_without_a_checkout(installed: Path, tmp_path: Path) -> None:
    assert run(installed, tmp_path, installed / "bin" / "ltm3d", "--version").strip() == f"ltm3d {__version__}"
    typed = {"_LTM3D_COMPLETE": "complete_bash", "COMP_WORDS": "ltm3d ver", "COMP_CWORD": "1"}
    assert run(installed, tmp_path, installed / "bin" / "ltm3d", **typed).split() == ["versions"]


def test_pages_and_their_scripts_are_in_it(installed: Path) -> None:
    assets = {path.name for path in (installed / "ltm3d" / "serving" / "assets").iterdir()}
    assert {"demo.html", "gallery.js", "viewer.js", "data_card.html"} <= assets
    assert not (installed / "tests").exists()
