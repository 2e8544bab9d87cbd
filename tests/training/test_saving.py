"""Mostly one process; the same with two workers is in test_survival.py."""

import json
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import torch
from ranks import run_two_ranks
from safetensors.torch import load_file
from torch import Tensor, nn
from toy_training import ToyModel, computed, toy_config, toy_examples

from ltm3d.errors import StorageError
from ltm3d.nn.randomness import StepRandom
from ltm3d.training import checkpoint as files
from ltm3d.training.launch import TrainingResult, train_locally
from ltm3d.training.loop import Place
from ltm3d.training.progress import read_metrics
from ltm3d.training.saving import check_disk, find_sound, run_bytes, save_checkpoint


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


def keep(folder: Path, step: int, content: bytes, *, run: str = "mine") -> bool:
    return save_checkpoint(
        folder / files.checkpoint_name(step, 1, "abcd"),
        lambda path: (path / "state.pt").write_bytes(content) and None,
        place=Place(),
        run=run,
        step=step,
        engine="torch",
        validation_loss=None,
        keep=2,
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
    found = find_sound(tmp_path, place=Place(), run="mine")
    assert found is not None and found.step == 5
    assert [each.step for each in files.committed(tmp_path)] == [5], "the others count no longer"
    assert find_sound(tmp_path / "elsewhere", place=Place(), run="mine") is None


class Huge(nn.Module):
    """Parameters of a terabyte, all the same number."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1).expand(250_000_000_000))


def test_a_disk_without_room_is_told_before_training(tmp_path: Path) -> None:
    assert run_bytes(Huge(), toy_config()).checkpoint == 3 * 10**12  # weights, two moments
    assert run_bytes(Huge(), toy_config(ema_decay=0.9)).checkpoint == 4 * 10**12
    message = r"has \d+\.\d+ GB for this run, which needs 14000\.00 GB: 4 checkpoints of 3000\.00"
    with pytest.raises(StorageError, match=message) as told:
        check_disk(Huge(), toy_config(), tmp_path)
    said = float(str(told.value).partition(" has ")[2].partition(" GB")[0])
    assert said == pytest.approx(shutil.disk_usage(tmp_path).free / 1e9, abs=5), "other programs write meanwhile"
    check_disk(ToyModel(), toy_config(), tmp_path)


def test_the_estimate_is_what_is_written(tmp_path: Path) -> None:
    expected = run_bytes(ToyModel(256), toy_config()).checkpoint
    train_toy(tmp_path, partial(ToyModel, 256))
    newest = files.committed(files.checkpoint_folder(tmp_path, "toy"))[-1]
    written = sum(path.stat().st_size for path in newest.folder.iterdir())
    assert 800_000 < expected < written < expected + 12_000  # names and headers
