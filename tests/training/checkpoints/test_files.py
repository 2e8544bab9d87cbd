import hashlib
import itertools
from functools import partial
from pathlib import Path

import pytest
from kills import killed_at_call
from stubborn_files import lock_up, undeletable_folder

from ltm3d.errors import ConfigError, DataError, StorageError
from ltm3d.training.checkpoints import files


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


def test_sweep_goes_on_beside_what_cannot_be_removed(caplog: pytest.LogCaptureFixture) -> None:
    with undeletable_folder() as folder:
        stuck = make_checkpoint(folder, 5, whole=False)
        lock_up(stuck)
        old, new = make_checkpoint(folder, 10), make_checkpoint(folder, 15)
        files.sweep(folder, keep=1)
        assert stuck.is_dir() and not old.exists() and new.is_dir()
        assert f"{stuck} is not needed any more, but cannot be removed" in caplog.text


def test_a_run_before_that_cannot_be_removed_is_one_line(tmp_path: Path) -> None:
    with undeletable_folder() as folder:
        files.claim_run(folder, "first")
        lock_up(make_checkpoint(folder / files.CHECKPOINTS / "run", 5))
        for _ in range(2):
            with pytest.raises(StorageError, match=r"cannot be removed \(.*denied.*remove .*, then run again"):
                files.claim_run(folder, "second")


def test_a_run_of_another_identity_is_removed_and_nothing_else(tmp_path: Path) -> None:
    files.claim_run(tmp_path, "first")
    make_checkpoint(tmp_path / files.CHECKPOINTS / "run", 5)
    files.write_json(tmp_path / files.RESULT_FILE, {"steps": 5})
    (tmp_path / "mlflow_run_id").write_text("of the stage")
    files.claim_run(tmp_path, "first")
    assert (tmp_path / files.RESULT_FILE).exists()
    files.claim_run(tmp_path, "second")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlflow_run_id", files.RUN_FILE]


def make_run(folder: Path, identity: str) -> None:
    """A run that was interrupted, and a file of its stage."""
    files.claim_run(folder, identity)
    for step in (5, 10):
        make_checkpoint(folder / files.CHECKPOINTS / "run", step)
    (folder / files.METRICS_FILE).write_text("{}\n")
    files.write_json(folder / files.RESULT_FILE, {"steps": 5})
    (folder / "mlflow_run_id").write_text("of the stage")


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("next_identity", ["first", "second"])
def test_a_claim_killed_at_any_moment_leaves_a_folder_that_the_next_run_takes(
    tmp_path: Path, next_identity: str
) -> None:
    """Killed before each of its calls of the file system; whole runs are gone on with, parts of one never."""
    outcomes = set()
    for number in itertools.count():
        folder = tmp_path / str(number)
        make_run(folder, "first")
        whole = content_of(folder)
        is_killed = killed_at_call(number, partial(files.claim_run, folder, "second"))
        files.claim_run(folder, next_identity)
        found = content_of(folder)
        assert files.read_identity(folder) == next_identity
        assert found == whole or set(found) == {files.RUN_FILE, "mlflow_run_id"}, f"killed at call {number}"
        outcomes.add(found == whole)
        if not is_killed:
            break
    assert number > 15 and outcomes == ({True, False} if next_identity == "first" else {False})


def test_the_first_claim_killed_at_any_moment_leaves_a_folder_that_the_next_run_takes(tmp_path: Path) -> None:
    for number in itertools.count():
        folder = tmp_path / str(number)
        is_killed = killed_at_call(number, partial(files.claim_run, folder, "mine"))
        files.claim_run(folder, "mine")
        assert set(content_of(folder)) == {files.RUN_FILE}
        if not is_killed:
            break
    assert number > 3


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
