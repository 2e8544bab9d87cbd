import fcntl
import json
from pathlib import Path

import pytest

from ltm3d.errors import DataError
from ltm3d.tracking.spool import Spool
from ltm3d.training.checkpoints.files import Commit, checkpoint_folder, checkpoint_name, commit
from ltm3d.training.checkpoints.old_runs import find_run_leftovers, remove_leftover, total_size

STAGES = {
    "download": {"cmd": "c"},
    "train": {"matrix": {"representation": "${representations}"}},
    "build": {"matrix": {"target": ["sdf", "mesh"]}},
}


def make_run(runs: Path, label: str, *, sent: bool = True) -> Path:
    folder = runs / label
    folder.mkdir(parents=True)
    (runs / f"{label}.lock").write_text("1")
    spool = Spool(folder)
    spool.append({"kind": "run", "time": 1})
    spool.append({"kind": "status", "status": "FINISHED", "time": 2})
    spool.offset = (folder / "spool.jsonl").stat().st_size if sent else 0
    return folder


def make_checkpoints(folder: Path) -> Path:
    """Two whole checkpoints and a torn one."""
    place = checkpoint_folder(folder, "t")
    for step in (1, 2, 3):
        path = place / checkpoint_name(step, 2, "a")
        path.mkdir(parents=True)
        (path / "state").write_bytes(b"123")
        if step < 3:
            digests = {"state": [3, "its sha256"]}
            commit(
                path, Commit(run="r", step=step, world_size=2, engine="torch", validation_loss=None, digests=digests)
            )
    return place


def test_folders_of_no_stage_go_and_those_of_others_stay(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for label in ("download", "train@sdf", "train@mesh"):
        make_run(runs, label)
    make_run(runs, "train@cloud", sent=False)
    (runs / "by hand").mkdir()
    (runs / "by hand" / "notes.txt").write_text("keep me")
    found = find_run_leftovers(runs, {"download", "train@sdf"})
    assert [(leftover.path.name, leftover.left_out) for leftover in found] == [("train@mesh", "mesh")]
    assert total_size(found) == sum(path.stat().st_size for path in (runs / "train@mesh").iterdir())
    remove_leftover(found[0], runs)
    assert not (runs / "train@mesh").exists() and not (runs / "train@mesh.lock").exists()
    assert find_run_leftovers(runs, {"download", "train@sdf"}) == []
    assert find_run_leftovers(tmp_path / "none", set()) == []


def test_a_stage_that_runs_keeps_all(tmp_path: Path) -> None:
    make_run(tmp_path, "train@mesh")
    (leftover,) = find_run_leftovers(tmp_path, set())
    with (tmp_path / "train@mesh.lock").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert find_run_leftovers(tmp_path, set()) == []
        with pytest.raises(DataError, match="is running now"):
            remove_leftover(leftover, tmp_path)
    assert leftover.path.is_dir()


def test_checkpoints_go_when_they_are_torn_or_the_training_has_ended(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "train@sdf")
    place = make_checkpoints(folder)
    (torn,) = find_run_leftovers(tmp_path, {"train@sdf"})
    assert torn.path == place / checkpoint_name(3, 2, "a") and torn.size == 3
    (folder / "result.json").write_text(json.dumps({"steps": 3}))
    (folder / "model.safetensors").write_bytes(b"w")
    (ended,) = find_run_leftovers(tmp_path, {"train@sdf"})
    assert ended.path == folder / "checkpoints"
    remove_leftover(ended, tmp_path)
    assert not ended.path.exists() and (folder / "model.safetensors").is_file()


def test_copies_of_what_mlflow_has_go(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "register@sdf")
    for name in ("bundle", "card", "other"):
        (folder / name).mkdir()
    assert [each.path.name for each in find_run_leftovers(tmp_path, {"register@sdf"})] == ["bundle", "card"]


def test_nothing_outside_the_runs_is_removed(tmp_path: Path) -> None:
    make_run(tmp_path / "runs", "train@mesh")
    (leftover,) = find_run_leftovers(tmp_path / "runs", set())
    with pytest.raises(DataError, match="nothing is removed"):
        remove_leftover(leftover, tmp_path / "others")
