"""What is killed, told to stop, damaged or has no room: the run ends with the weights of the undisturbed one."""

import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
from full_disk import FillingModel
from ray_runs import (
    HOLD_FILE,
    SECONDS_AN_EXAMPLE,
    assert_close_run,
    assert_same_run,
    assert_same_weights,
    ray_workers,
    rows_of_a_stop,
    start_driver,
    train_toy,
    trained_on,
    wait_for_step,
)
from toy_training import toy_config, toy_examples

from ltm3d.resources import Resources
from ltm3d.training.checkpoints import files
from ltm3d.training.interruption import TrainingStopped, request_stop
from ltm3d.training.launch import TrainingResult, train
from ltm3d.training.progress import read_metrics

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def newest(run_dir: Path) -> files.Checkpoint:
    return files.committed(files.checkpoint_folder(run_dir, "toy"))[-1]


def test_a_killed_worker_does_not_change_the_result(undisturbed: TrainingResult, tmp_path: Path) -> None:
    killed: list[int] = []
    seen: list[int] = []

    def kill_one(step: int, row: dict[str, float]) -> None:
        seen.append(step)
        if step >= 12 and not killed:
            workers = ray_workers(psutil.Process())
            assert len(workers) == 2
            killed.append(workers[1].pid)
            workers[1].send_signal(signal.SIGKILL)

    reads = tmp_path / "reads"
    result = train_toy(tmp_path, delay=SECONDS_AN_EXAMPLE, on_metrics=kill_one, reads=reads)
    assert killed, "the run ended before a worker was killed"
    assert result.resumed_from is not None and 10 <= result.resumed_from < 40
    assert seen == [row["step"] for row in read_metrics(tmp_path)], "each step is handed out once"
    assert_same_run(tmp_path, undisturbed)
    before = trained_on(reads, 2, range(result.resumed_from))
    after = trained_on(reads, 2, range(result.resumed_from, 40), of=1)
    assert before + after == trained_on(undisturbed.weights.parent / "reads", 2, range(40))


def test_a_stopped_and_a_killed_driver_do_not_change_the_result(
    undisturbed: TrainingResult, tmp_path: Path, repository: Path
) -> None:
    driver = start_driver(tmp_path, repository)
    wait_for_step(driver, tmp_path, 8)
    driver.terminate()
    output, _ = driver.communicate(timeout=120)
    assert driver.returncode != 0
    stopped_at = int(read_metrics(tmp_path)[-1]["step"])
    assert f"toy: stopped at step {stopped_at}; the next run goes on from there" in output
    assert newest(tmp_path).step == stopped_at < 30

    driver = start_driver(tmp_path, repository)
    wait_for_step(driver, tmp_path, stopped_at + 4)
    (tmp_path / HOLD_FILE).touch()
    workers = ray_workers(psutil.Process(driver.pid))
    assert len(workers) == 2
    others = [each for each in psutil.Process(driver.pid).children(recursive=True) if each not in workers]
    driver.kill()
    driver.wait()
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive, "workers outlive their driver"
    for process in others:  # two agents of Ray notice later
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    assert not (tmp_path / files.RESULT_FILE).exists()
    kept = newest(tmp_path).step
    assert stopped_at <= kept < 40

    (tmp_path / HOLD_FILE).unlink()
    result = train_toy(tmp_path)
    assert result.resumed_from == kept
    assert_same_run(tmp_path, undisturbed, besides=rows_of_a_stop(stopped_at))


def test_damaged_files_do_not_change_the_result(undisturbed: TrainingResult, tmp_path: Path) -> None:
    """Killed after the last checkpoint while the disk was full, and one worker's part of it was lost, too."""
    train_toy(tmp_path)
    folder = files.checkpoint_folder(tmp_path, "toy")
    for name in ("model.safetensors", files.RESULT_FILE):
        (tmp_path / name).unlink()
    (folder / files.checkpoint_name(45, 2, "orphan")).mkdir()
    part = newest(tmp_path).folder / "zero-00001.safetensors"
    part.write_bytes(part.read_bytes()[:-100])
    result = train_toy(tmp_path)
    assert result.resumed_from == 35, "all workers go back to the checkpoint before"
    assert not list(folder.glob("*orphan"))
    assert_same_run(tmp_path, undisturbed)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("this user may not mount a tmpfs; checkpoints/test_saving.py limits the size of files instead")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_that_is_full_for_a_while_does_not_change_the_result(
    undisturbed: TrainingResult, tmp_path: Path, small_disk: Path
) -> None:
    run_dir, report = small_disk / "run", tmp_path / "report.json"
    result = train(
        name="toy",
        build_model=partial(FillingModel, small_disk / "filler", report),
        build_examples=toy_examples(),
        build_validation=toy_examples(count=11),
        config=toy_config(),
        resources=Resources(num_workers=2),
        run_dir=run_dir,
        run_key="toy",
    )
    seen = json.loads(report.read_text())
    assert seen["free"] == 0
    assert "checkpoint-00000010" in seen["checkpoints"]
    assert not {"checkpoint-00000015", "checkpoint-00000020"} & set(seen["checkpoints"])
    assert result.resumed_from is None, "no worker was restarted"
    assert newest(run_dir).step == 40
    assert_same_run(run_dir, undisturbed)


def test_other_numbers_of_workers_go_on_with_the_same_losses(undisturbed: TrainingResult, tmp_path: Path) -> None:
    """ZeRO 2 on two workers, then on one, then on two; nothing is repeated or skipped within the epochs of 5 steps."""

    stops: list[int] = []
    visits: list[str] = []
    run_dir = tmp_path / "run"
    for num_workers, step in ((2, 8), (1, 18), (2, 40)):

        def stop(done: int, row: dict[str, float], step: int = step) -> None:
            if step <= done < 40:
                request_stop(run_dir)

        first = stops[-1] if stops else 0
        reads = tmp_path / f"reads-{len(stops)}"
        with contextlib.suppress(TrainingStopped):
            train_toy(
                run_dir,
                delay=SECONDS_AN_EXAMPLE if step < 40 else 0.0,
                on_metrics=stop,
                zero_stage=2,
                num_workers=num_workers,
                reads=reads,
            )
        stops.append(newest(run_dir).step)
        assert newest(run_dir).commit.world_size == num_workers
        visits += trained_on(reads, num_workers, range(first, stops[-1]))
    assert stops[0] < stops[1] < stops[2] == 40
    assert visits == trained_on(undisturbed.weights.parent / "reads", 2, range(40))
    assert_close_run(run_dir, undisturbed, besides=(*rows_of_a_stop(stops[0]), *rows_of_a_stop(stops[1])))


def test_a_node_that_is_taken_away_and_one_that_dies_do_not_change_the_result(
    undisturbed: TrainingResult, tmp_path: Path, repository: Path
) -> None:
    driver = start_driver(tmp_path, repository, "cluster_driver.py")
    output, _ = driver.communicate(timeout=600)
    assert driver.returncode == 0, output[-4000:]
    assert (tmp_path / "events.json").is_file(), output
    events = json.loads((tmp_path / "events.json").read_text())
    assert events["killed"] > events["kept"] >= events["drained"]
    result = files.read_result(tmp_path)
    assert result is not None and result["resumed_from"] == events["kept"], "the only checkpoint is of the notice"
    assert_same_weights(tmp_path, undisturbed)
    validations = [
        {row["step"]: row["validation/loss"] for row in read_metrics(folder) if "validation/loss" in row}
        for folder in (tmp_path, undisturbed.weights.parent)
    ]
    assert validations[0] == validations[1]
