"""Mostly one process; the same with two workers is in test_survival.py."""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import torch
from ranks import run_two_ranks
from safetensors.torch import load_file
from stubborn_files import lacking_file_system, lock_up, undeletable_folder
from torch import Tensor, nn
from toy_training import ToyModel, computed, toy_config, toy_examples

from ltm3d.errors import StorageError
from ltm3d.nn.randomness import StepRandom
from ltm3d.training.checkpoints import files
from ltm3d.training.checkpoints.saving import check_disk, find_sound, run_bytes, save_checkpoint
from ltm3d.training.launch import TrainingResult, train_locally
from ltm3d.training.loop import DistContext
from ltm3d.training.progress import read_metrics


@contextmanager
def small_files(limit: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size: for who writes it the disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class LimitedModel(ToyModel):
    """The toy, whose process may write nothing from one step to another."""

    def __init__(self, first_step: int, last_step: int) -> None:
        super().__init__()
        self.steps = range(first_step, last_step)
        self.limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        self.num_steps = 0

    def training_loss(self, batch: dict[str, Tensor], random: StepRandom) -> tuple[Tensor, dict[str, Tensor]]:
        if self.training:
            soft = 0 if self.num_steps in self.steps else self.limits[0]
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, self.limits[1]))
            self.num_steps += 1
        return super().training_loss(batch, random)


def train_toy(run_dir: Path, build_model: type[nn.Module] | partial[nn.Module] = ToyModel) -> TrainingResult:
    return train_locally(
        name="toy",
        build_model=build_model,
        build_examples=toy_examples(),
        build_validation=toy_examples(count=11),
        config=toy_config(num_steps=20),
        run_dir=run_dir,
        run_key="toy",
    )


def steps_kept(run_dir: Path) -> list[int]:
    return [each.step for each in files.committed(files.checkpoint_folder(run_dir, "toy"))]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    return train_toy(tmp_path_factory.mktemp("undisturbed"))


def assert_same_run(run_dir: Path, undisturbed: TrainingResult) -> None:
    mine, other = load_file(run_dir / "model.safetensors"), load_file(undisturbed.weights)
    assert all(torch.equal(mine[name], other[name]) for name in other)
    rows = [computed(read_metrics(folder)) for folder in (run_dir, undisturbed.weights.parent)]
    assert rows[0] == rows[1], "what could not be written is written later"


def test_training_goes_on_while_the_disk_is_full(undisturbed: TrainingResult, tmp_path: Path) -> None:
    result = train_toy(tmp_path, partial(LimitedModel, 7, 17))
    assert result.resumed_from is None
    assert 10 not in steps_kept(tmp_path) and 15 not in steps_kept(tmp_path) and 20 in steps_kept(tmp_path)
    assert_same_run(tmp_path, undisturbed)


def test_a_disk_that_is_full_at_the_end_is_told_in_one_line(undisturbed: TrainingResult, tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(StorageError, match=r"the trained weights cannot be written .*: make room and run again"):
            train_toy(tmp_path, partial(LimitedModel, 12, 20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    result = train_toy(tmp_path)
    assert result.resumed_from == 10
    assert_same_run(tmp_path, undisturbed)


def keep(folder: Path, step: int, content: bytes, *, run: str = "mine", num_kept: int = 2) -> bool:
    return save_checkpoint(
        folder / files.checkpoint_name(step, 1, "abcd"),
        lambda path: (path / "state.pt").write_bytes(content) and None,
        context=DistContext(),
        run=run,
        step=step,
        engine="torch",
        validation_loss=None,
        keep=num_kept,
    )


def test_a_checkpoint_that_cannot_be_written_leaves_nothing_and_the_others_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert keep(tmp_path, 5, b"weights")
    with small_files(4):
        assert not keep(tmp_path, 10, b"weights")
    assert "the state after step 10 could not be kept, training goes on without: worker 0: " in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == [files.checkpoint_name(5, 1, "abcd")]
    assert keep(tmp_path, 15, b"weights") and keep(tmp_path, 20, b"weights")
    assert [each.step for each in files.committed(tmp_path)] == [15, 20]


@pytest.mark.parametrize("num_kept", [1, 2])
def test_an_old_checkpoint_that_cannot_be_removed_does_not_cost_the_new_one(
    num_kept: int, caplog: pytest.LogCaptureFixture
) -> None:
    with undeletable_folder() as folder:
        assert keep(folder, 5, b"weights", num_kept=num_kept)
        lock_up(folder / files.checkpoint_name(5, 1, "abcd"))
        for step in (10, 15):
            assert keep(folder, step, b"weights", num_kept=num_kept)
        assert "checkpoint-00000005-w1-abcd is not needed any more, but cannot be removed: " in caplog.text
        assert [each.step for each in files.committed(folder)][-num_kept:] == [10, 15][-num_kept:]
        found = find_sound(folder, context=DistContext(), run="mine")
        assert found is not None and found.step == 15


PROGRAM = """
import sys
from pathlib import Path
from toy_training import ToyModel, toy_config, toy_examples
from ltm3d.training.launch import train_locally
train_locally(
    name="toy", build_model=ToyModel, build_examples=toy_examples(delay=0.01), build_validation=None,
    config=toy_config(checkpoint_every=20), run_dir=Path(sys.argv[1]), run_key="toy",
    on_metrics=lambda step, row: Path(sys.argv[2]).touch(),
)
"""


@pytest.mark.parametrize("is_lacking_at_once", [True, False])
def test_a_file_system_that_keeps_nothing_stops_the_run_at_the_first_commit(
    tmp_path: Path, repository: Path, is_lacking_at_once: bool
) -> None:
    """Which is that of run.json, or the first checkpoint, where the lack shows later."""
    lack, run_dir = tmp_path / "lack", tmp_path / "run"
    if is_lacking_at_once:
        lack.touch()
    paths = os.pathsep.join([str(repository), str(repository / "tests/support")])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, run_dir, lack],
        env=os.environ | {"PYTHONPATH": paths} | lacking_file_system(tmp_path, sync=lack),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1
    told = done.stderr.strip().splitlines()[-1]
    what = "" if is_lacking_at_once else "the state after step 20 could not be kept: worker 0: "
    assert told.startswith(f"ltm3d.errors.StorageError: {what}{run_dir}")
    assert "fsync of file and folder (Invalid argument): move data/ (LTM3D_DATA) to a local disk" in told
    assert steps_kept(run_dir) == [] and not (run_dir / files.RESULT_FILE).exists()
    if not is_lacking_at_once:
        assert max(row["step"] for row in read_metrics(run_dir)) == 20, "not one step without a checkpoint"


def test_a_file_that_another_worker_is_still_writing_is_no_part_of_a_checkpoint(
    tmp_path: Path, repository: Path
) -> None:
    run_two_ranks(repository, "slow_writer.py", tmp_path / "store", tmp_path)
    found = json.loads((tmp_path / "found.json").read_text())
    assert found == {"is_kept": True, "names": ["zero-00000.safetensors", "zero-00001.safetensors"]}


def test_the_newest_sound_checkpoint_of_this_run_is_found(tmp_path: Path) -> None:
    for step in (5, 10):
        assert keep(tmp_path, step, b"weights")
    assert keep(tmp_path / "elsewhere", 15, b"weights", run="another")
    shutil.move(tmp_path / "elsewhere" / files.checkpoint_name(15, 1, "abcd"), tmp_path)
    newest = files.committed(tmp_path)[1]
    (newest.folder / "state.pt").write_bytes(b"weightz")
    found = find_sound(tmp_path, context=DistContext(), run="mine")
    assert found is not None and found.step == 5
    assert [each.step for each in files.committed(tmp_path)] == [5], "the others count no longer"
    assert find_sound(tmp_path / "elsewhere", context=DistContext(), run="mine") is None


class Huge(nn.Module):
    """Parameters of a terabyte, all the same number."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1).expand(250_000_000_000))


def test_a_disk_without_room_is_told_before_training(tmp_path: Path) -> None:
    assert run_bytes(Huge(), toy_config())[0] == 3 * 10**12  # weights, two moments
    assert run_bytes(Huge(), toy_config(ema_decay=0.9))[0] == 4 * 10**12
    message = r"has \d+\.\d+ GB for this run, which needs 14000\.00 GB: 4 checkpoints of 3000\.00"
    with pytest.raises(StorageError, match=message) as told:
        check_disk(Huge(), toy_config(), tmp_path)
    said = float(str(told.value).partition(" has ")[2].partition(" GB")[0])
    assert said == pytest.approx(shutil.disk_usage(tmp_path).free / 1e9, abs=5), "other programs write meanwhile"
    check_disk(ToyModel(), toy_config(), tmp_path)


def test_the_estimate_is_what_is_written(tmp_path: Path) -> None:
    expected, _ = run_bytes(ToyModel(256), toy_config())
    train_toy(tmp_path, partial(ToyModel, 256))
    newest = files.committed(files.checkpoint_folder(tmp_path, "toy"))[-1]
    written = sum(path.stat().st_size for path in newest.folder.iterdir())
    assert 800_000 < expected < written < expected + 12_000  # names and headers
