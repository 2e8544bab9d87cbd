"""Names and files in other letters than ASCII, where the locale is C."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from checkout import PARAMS
from mesh_files import box

from ltm3d.mesh_io.writing import mesh_to_glb
from ltm3d.shards.read import list_shards

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
READS = "import sys; from ltm3d.utf8 import use_utf8; use_utf8(); print(open(sys.argv[1]).read(), sys.argv[1])"


def run(folder: Path, repository: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(repository), **ASCII}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=240)


def test_a_process_reads_and_writes_utf_8(tmp_path: Path, repository: Path) -> None:
    (tmp_path / "стул.txt").write_text("椅子", encoding="utf-8")
    done = run(tmp_path, repository, "-c", READS, "стул.txt")
    assert done.stdout.decode() == "椅子 стул.txt\n", done.stderr


def test_a_process_in_utf_8_goes_on(tmp_path: Path, repository: Path) -> None:
    done = run(tmp_path, repository, "-X", "utf8", "-c", READS + "; print(sys.orig_argv[1:3])", __file__)
    assert done.stdout.endswith(b"['-X', 'utf8']\n"), done.stderr


@pytest.mark.ray
def test_a_stage_takes_names_and_captions_as_they_are(tmp_path: Path, repository: Path) -> None:
    captions = {"стул": "A 3D model of Åse's Stühlchen.", "椅子": "A 3D model of 木の椅子."}
    for name in captions:
        (tmp_path / "meshes").mkdir(exist_ok=True)
        (tmp_path / "meshes" / f"{name}.glb").write_bytes(mesh_to_glb(box()))
    (tmp_path / "captions.json").write_text(json.dumps(captions, ensure_ascii=False), encoding="utf-8")
    source = {"kind": "folder", "root": "meshes", "captions": "captions.json"}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS | {"sources": [source]}), encoding="utf-8")
    done = run(tmp_path, repository, "-m", "pipelines.download")
    assert done.returncode == 0, done.stderr.decode()
    records = [record for shard in list_shards(tmp_path / "data/raw") for record in shard.records]
    assert {record["caption"] for record in records} == set(captions.values())
    assert {record["main_file"] for record in records} == {f"{name}.glb" for name in captions}
