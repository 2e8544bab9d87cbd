import os
import subprocess
from pathlib import Path
from typing import Any

from small_code import SmallCode

from ltm3d.tracking.provenance import folder_hash, git_state, provenance_tags, upstream_lock


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_git_state_tells_a_clean_checkout_from_a_changed_one(tmp_path: Path) -> None:
    assert git_state(tmp_path / "none")["git_dirty"] == "unknown"
    git(tmp_path, "init", "-q")
    (tmp_path / "a").write_text("1")
    (tmp_path / "dvc.lock").write_text("1")
    git(tmp_path, "add", "a", "dvc.lock")
    git(tmp_path, "commit", "-q", "-m", "one")
    git(tmp_path, "remote", "add", "origin", "https://someone:secret@host/ltm3d.git")
    clean = {
        "git_commit": git(tmp_path, "rev-parse", "HEAD"),
        "git_dirty": "false",
        "git_changes": "",
        "git_difference": "",
        "git_remote": "https://host/ltm3d.git",
    }
    assert git_state(tmp_path) == clean
    (tmp_path / "dvc.lock").write_text("2")  # what a version carries itself is no change of the code
    (tmp_path / "params.yaml").write_text("2")
    (tmp_path / "data" / "metrics").mkdir(parents=True)
    (tmp_path / "data" / "metrics" / "figures.json").write_text("2")
    assert git_state(tmp_path) == clean
    (tmp_path / "a").write_text("2")
    (tmp_path / "ltm3d").mkdir()
    (tmp_path / "ltm3d" / "b.py").write_text("2")
    (tmp_path / "chair.glb").write_text("what no stage reads")
    dirty = git_state(tmp_path)
    changed = {"git_dirty": "true", "git_changes": "a, ltm3d/b.py", "git_difference": dirty["git_difference"]}
    assert dirty == clean | changed
    (tmp_path / "sub").mkdir()
    assert git_state(tmp_path / "sub")["git_changes"] == "a, ltm3d/b.py", "the whole checkout counts"


def test_the_difference_follows_changes_and_new_code(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("1")
    git(tmp_path, "add", "a.py")
    git(tmp_path, "commit", "-q", "-m", "one")
    seen = [git_state(tmp_path)["git_difference"]]
    (tmp_path / "ltm3d").mkdir()
    new = "ltm3d/new.py"
    for name, text in (("a.py", "2"), (new, "1"), (new, "2"), ("params.yaml", "1"), ("a.py", "1")):
        (tmp_path / name).write_text(text)
        seen.append(git_state(tmp_path)["git_difference"])
        assert seen[-1] == git_state(tmp_path)["git_difference"]
    assert seen[0] == "" and seen[4] == seen[3], "what a version carries itself is no difference"
    assert len(set(seen)) == 5
    (tmp_path / new).unlink()
    assert git_state(tmp_path)["git_difference"] == ""


def test_a_stage_says_the_same_of_the_same_tree(tmp_path: Path) -> None:
    code = SmallCode(tmp_path / "code")
    record = code.made()
    assert record == code.made() and record["git_commit"] == code.head and record["git_dirty"] == "false"
    assert set(record["libraries"]) == {"numpy"} and record["stage"] == "train@sdf"
    tags = provenance_tags(record)
    assert tags["code"] == record["code"] and tags["libraries"].startswith("numpy ") and tags["seed"] == "0"
    code.change(factor=2)
    changed = code.made()
    assert {name for name in record if changed[name] != record[name]} == {"code", "git_dirty", "git_difference"}


def test_the_upstream_entries_of_a_lock_are_those_the_wanted_files_come_from() -> None:
    def stage(deps: list[str], outs: list[str]) -> dict[str, Any]:
        return {"cmd": "c", "deps": [{"path": path} for path in deps], "outs": [{"path": path} for path in outs]}

    lock = {
        "schema": "2.0",
        "stages": {
            "download": stage(["code.py"], ["data/raw"]),
            "clean": stage(["data/raw"], ["data/meshes", "data/metrics/ids.txt"]),
            "train@sdf": stage(["data/meshes/index.json"], ["data/models/sdf"]),
            "train@mesh": stage(["data/meshes"], ["data/models/mesh"]),
            "card": stage(["data/meshes"], ["data/card"]),
        },
    }
    found = upstream_lock(lock, ["ltm3d/errors.py", "data/models/sdf"])
    assert found["schema"] == "2.0" and list(found["stages"]) == ["download", "clean", "train@sdf"]
    assert found["stages"]["clean"] == lock["stages"]["clean"]
    assert upstream_lock(lock, ["data/model"])["stages"] == {}, "a name that begins alike is another"


def test_a_folder_hash_depends_on_names_and_contents_only(tmp_path: Path) -> None:
    for name, order in (("one", ("a", "b")), ("two", ("b", "a"))):
        (tmp_path / name / "sub").mkdir(parents=True)
        for file in order:
            (tmp_path / name / "sub" / file).write_text(file)
    os.utime(tmp_path / "two" / "sub" / "a", (0, 0))
    before = folder_hash(tmp_path / "one")
    assert before == folder_hash(tmp_path / "two")
    (tmp_path / "two" / "sub" / "a").rename(tmp_path / "two" / "sub" / "c")
    assert folder_hash(tmp_path / "two") != before
