import hashlib
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
        files.commit(path, make_record(path, step, world_size=world_size))
    return path


def make_record(path: Path, step: int, *, world_size: int = 2, loss: float | None = None) -> files.Commit:
    return files.Commit(
        run="mine",
        step=step,
        world_size=world_size,
        engine="deepspeed",
        validation_loss=loss,
        digests=files.digest_files(path, rank=0, world_size=1),
    )


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


def test_another_engine_is_refused_with_the_remedy(tmp_path: Path) -> None:
    make_checkpoint(tmp_path, 5)
    checkpoint = files.committed(tmp_path)[0]
    files.check_fits(checkpoint, engine="deepspeed")
    with pytest.raises(ConfigError, match="machine with deepspeed, or delete"):
        files.check_fits(checkpoint, engine="torch")


def test_the_best_checkpoint_stays_beside_the_newest(tmp_path: Path) -> None:
    for step, loss in ((5, 0.5), (10, 0.2), (15, 0.3), (20, 0.2), (25, None), (30, 0.4), (35, None)):
        path = make_checkpoint(tmp_path, step, whole=False)
        files.commit(path, make_record(path, step, loss=loss))
    files.sweep(tmp_path, keep=2)
    assert [each.step for each in files.committed(tmp_path)] == [20, 30, 35], "of equals the newest"
    best = files.best_of(files.committed(tmp_path))
    assert best is not None and best.step == 20
    assert files.best_of([]) is None


def damage_of(folder: Path, *, run: str = "mine") -> str | None:
    return files.find_damage(files.committed(folder)[0], run=run, rank=0, world_size=1)


def test_only_a_checkpoint_as_this_run_wrote_it_is_read(tmp_path: Path) -> None:
    path = make_checkpoint(tmp_path, 5)
    assert damage_of(tmp_path) is None
    assert damage_of(tmp_path, run="another") == "another run wrote it"
    (path / "state.pt").write_bytes(b"Weights")
    assert damage_of(tmp_path) == "state.pt changed after it was written"
    (path / "state.pt").write_bytes(b"weights")
    assert damage_of(tmp_path) is None
    (path / "average-00007.safetensors").write_bytes(b"planted")
    assert damage_of(tmp_path) == "files are missing, or were added"
    (path / "average-00007.safetensors").unlink()
    (path / "state.pt").unlink()
    assert damage_of(tmp_path) == "files are missing, or were added"


def test_each_file_is_hashed_by_one_worker(tmp_path: Path) -> None:
    names = ["zero-00000.safetensors", "zero-00001.safetensors", "average-00001.safetensors", "zero-00002.safetensors"]
    for name in [*names, "shared.pt"]:
        (tmp_path / name).write_bytes(name.encode())
    shares = [files.digest_files(tmp_path, rank=rank, world_size=2) for rank in range(2)]
    assert sorted(shares[0]) == ["shared.pt", "zero-00000.safetensors", "zero-00002.safetensors"]
    assert sorted(shares[1]) == ["average-00001.safetensors", "zero-00001.safetensors"]
    assert shares[0]["shared.pt"] == [9, hashlib.sha256(b"shared.pt").hexdigest()]


def test_a_withdrawn_checkpoint_counts_no_longer(tmp_path: Path) -> None:
    path = make_checkpoint(tmp_path, 5)
    files.withdraw(files.committed(tmp_path)[0])
    assert files.committed(tmp_path) == []
    assert (path / "state.pt").is_file()
