import json
from pathlib import Path

import pytest

from ltm3d.errors import ConfigError, DataError
from ltm3d.training import checkpoint as files

SNAPSHOT = "checkpoint_manager_snapshot.json"


def make_checkpoint(folder: Path, step: int, *, whole: bool = True, world_size: int = 2) -> Path:
    path = folder / files.checkpoint_name(step, world_size, "abcd")
    path.mkdir(parents=True)
    (path / "state.pt").write_bytes(b"weights")
    if whole:
        files.commit(path, step=step, world_size=world_size, engine="deepspeed")
    return path


def write_snapshot(folder: Path, *names: str) -> None:
    """Write what Ray Train writes, as far as it names checkpoints."""
    results = [{"checkpoint_dir_name": name, "metrics": {}} for name in names]
    record = {"checkpoint_results": results, "latest_checkpoint_result": results[-1]}
    (folder / SNAPSHOT).write_text(json.dumps(record))


def test_only_committed_checkpoints_count_and_the_newest_is_last(tmp_path: Path) -> None:
    for step in (100, 5, 20):
        make_checkpoint(tmp_path, step)
    make_checkpoint(tmp_path, 200, whole=False)
    truncated = make_checkpoint(tmp_path, 300, whole=False)
    (truncated / files.COMMIT_FILE).write_text('{"step": 3')
    assert [each.step for each in files.committed(tmp_path)] == [5, 20, 100]


def test_sweep_removes_what_is_not_whole_and_what_is_old(tmp_path: Path) -> None:
    kept = [make_checkpoint(tmp_path, step) for step in (5, 10, 15)][1:]
    make_checkpoint(tmp_path, 20, whole=False)
    stranger = tmp_path / "notes"
    stranger.mkdir()
    files.sweep(tmp_path, keep=2)
    assert sorted(tmp_path.iterdir()) == sorted([*kept, stranger])


def test_a_sound_snapshot_is_left_alone(tmp_path: Path) -> None:
    path = make_checkpoint(tmp_path, 5)
    write_snapshot(tmp_path, path.name)
    before = (tmp_path / SNAPSHOT).read_bytes()
    files.repair_snapshot(tmp_path)
    assert (tmp_path / SNAPSHOT).read_bytes() == before


@pytest.mark.parametrize("content", [b"", b'{"checkpoint_results": [{"checkp', b"[]", b'{"other": 1}', b"\xff\xfe"])
def test_a_snapshot_that_cannot_be_read_is_put_aside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / SNAPSHOT).write_bytes(content)
    files.repair_snapshot(tmp_path)
    assert not (tmp_path / SNAPSHOT).exists()
    assert (tmp_path / (SNAPSHOT + ".broken")).read_bytes() == content


def test_a_snapshot_of_missing_checkpoints_is_put_aside(tmp_path: Path) -> None:
    path = make_checkpoint(tmp_path, 5)
    write_snapshot(tmp_path, path.name, "checkpoint-00000010-w2-gone")
    files.repair_snapshot(tmp_path)
    assert not (tmp_path / SNAPSHOT).exists()
    files.repair_snapshot(tmp_path)  # nothing there: nothing to do


def test_a_run_of_another_identity_is_removed_and_nothing_else(tmp_path: Path) -> None:
    files.claim_run(tmp_path, "first")
    make_checkpoint(tmp_path / files.CHECKPOINTS / "run", 5)
    files.write_json(tmp_path / files.RESULT_FILE, {"steps": 5})
    (tmp_path / "mlflow_run_id").write_text("of the stage")
    files.claim_run(tmp_path, "first")
    assert (tmp_path / files.RESULT_FILE).exists()
    files.claim_run(tmp_path, "second")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlflow_run_id", files.RUN_FILE]


def test_a_folder_with_files_of_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"mine")
    with pytest.raises(DataError, match=r"model\.safetensors"):
        files.claim_run(tmp_path, "identity")
    assert (tmp_path / "model.safetensors").read_bytes() == b"mine"


def test_a_result_without_its_weights_does_not_count(tmp_path: Path) -> None:
    files.write_json(tmp_path / files.RESULT_FILE, {"steps": 5})
    assert files.read_result(tmp_path) is None
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    assert files.read_result(tmp_path) == {"steps": 5}


def test_another_number_of_workers_is_refused_with_the_remedy(tmp_path: Path) -> None:
    make_checkpoint(tmp_path, 5, world_size=2)
    checkpoint = files.committed(tmp_path)[0]
    files.check_fits(checkpoint, world_size=2, engine="deepspeed")
    with pytest.raises(ConfigError, match="num_workers=2"):
        files.check_fits(checkpoint, world_size=4, engine="deepspeed")
    with pytest.raises(ConfigError, match="with torch"):
        files.check_fits(checkpoint, world_size=2, engine="torch")
