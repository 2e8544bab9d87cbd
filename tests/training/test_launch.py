"""Real runs on two workers of Ray Train with DeepSpeed; each is compared with an undisturbed one."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file
from toy_training import ToyModel, computed, toy_config, toy_examples

from ltm3d.errors import ConfigError
from ltm3d.training import checkpoint as files
from ltm3d.training.config import Resources
from ltm3d.training.launch import TrainingResult, train, train_locally
from ltm3d.training.progress import OnMetrics, read_metrics

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SNAPSHOT = "checkpoint_manager_snapshot.json"
SECONDS_AN_EXAMPLE = 0.03  # 40 steps of 4 examples a worker: 5 s, in which to kill


@pytest.fixture(scope="module")
def ray_session() -> Iterator[None]:
    """A Ray of this module alone; sockets want a short path."""
    ray = pytest.importorskip("ray")
    folder = tempfile.mkdtemp(prefix="ltm3d-", dir="/tmp")
    ray.init(
        address="local",
        num_cpus=2,
        object_store_memory=100_000_000,
        include_dashboard=False,
        logging_level="WARNING",
        _temp_dir=folder,
    )
    yield
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def train_toy(
    run_dir: Path, *, delay: float = 0.0, on_metrics: OnMetrics | None = None, zero_stage: int | None = 1
) -> TrainingResult:
    return train(
        name="toy",
        build_model=ToyModel,
        build_examples=toy_examples(delay=delay),
        build_validation=toy_examples(count=11),
        config=toy_config(zero_stage=zero_stage),
        resources=Resources(num_workers=2),
        run_dir=run_dir,
        run_key="toy",
        on_metrics=on_metrics,
    )


@pytest.fixture(scope="module")
def undisturbed(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    """A run nobody disturbs."""
    return train_toy(tmp_path_factory.mktemp("undisturbed"))


def assert_same_run(run_dir: Path, undisturbed: TrainingResult) -> None:
    """Compare weights bit by bit, and all that was measured but the speed."""
    mine, expected = load_file(run_dir / "model.safetensors"), load_file(undisturbed.weights)
    assert mine.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(mine[name], value), name
    rows = [read_metrics(folder) for folder in (run_dir, undisturbed.weights.parent)]
    assert computed(rows[0]) == computed(rows[1])


def test_two_workers_run_zero_1_with_one_thread_each(undisturbed: TrainingResult) -> None:
    workers = undisturbed.workers
    assert [worker["rank"] for worker in workers] == [0, 1]
    assert len({worker["pid"] for worker in workers} | {os.getpid()}) == 3
    assert {(worker["engine"], worker["zero_stage"]) for worker in workers} == {("deepspeed", 1)}
    assert {(worker["num_threads"], worker["precision"]) for worker in workers} == {(1, "fp32")}
    assert undisturbed.resumed_from is None
    folder = files.checkpoint_folder(undisturbed.weights.parent, "toy")
    kept = files.committed(folder)
    assert [(each.step, each.world_size) for each in kept] == [(35, 2), (40, 2)]
    states = {path.name for path in kept[-1].folder.glob("state/*optim_states.pt")}
    assert states == {f"zero_pp_rank_{rank}_mp_rank_00_optim_states.pt" for rank in (0, 1)}


def assert_close_run(run_dir: Path, undisturbed: TrainingResult) -> None:
    """Compare weights and figures to the tolerance of fp32 sums in another order."""
    rows = [computed(read_metrics(folder)) for folder in (run_dir, undisturbed.weights.parent)]
    for mine, theirs in zip(*rows, strict=True):
        assert mine.keys() == theirs.keys()
        for name in mine:
            assert mine[name] == pytest.approx(theirs[name], rel=1e-3), (name, mine["step"])
    weights, expected = load_file(run_dir / "model.safetensors"), load_file(undisturbed.weights)
    assert all(torch.allclose(weights[name], expected[name], atol=1e-4) for name in expected)


def test_one_process_of_plain_torch_gives_the_same_losses(undisturbed: TrainingResult, tmp_path: Path) -> None:
    alone = train_locally(
        name="toy",
        build_model=ToyModel,
        build_examples=toy_examples(),
        build_validation=toy_examples(count=11),
        config=toy_config(),
        run_dir=tmp_path,
        run_key="toy",
    )
    assert [worker["engine"] for worker in alone.workers] == ["torch"]
    assert_close_run(tmp_path, undisturbed)


def test_two_workers_of_plain_torch_give_the_same_losses(undisturbed: TrainingResult, tmp_path: Path) -> None:
    result = train_toy(tmp_path, zero_stage=None)
    assert [(worker["engine"], worker["zero_stage"]) for worker in result.workers] == [("torch", None)] * 2
    assert_close_run(tmp_path, undisturbed)


def test_a_finished_run_does_nothing(undisturbed: TrainingResult) -> None:
    run_dir = undisturbed.weights.parent
    before = {path: path.stat().st_mtime_ns for path in run_dir.rglob("*") if path.name != files.RUN_FILE}
    assert train_toy(run_dir, on_metrics=lambda step, row: pytest.fail("trained again")) == undisturbed
    assert {path: path.stat().st_mtime_ns for path in run_dir.rglob("*") if path.name != files.RUN_FILE} == before


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

    result = train_toy(tmp_path, delay=SECONDS_AN_EXAMPLE, on_metrics=kill_one)
    assert killed, "the run ended before a worker was killed"
    assert result.resumed_from is not None and 10 <= result.resumed_from < 40
    assert seen == [row["step"] for row in read_metrics(tmp_path)], "each step is handed out once"
    assert_same_run(tmp_path, undisturbed)


def ray_workers(driver: psutil.Process) -> list[psutil.Process]:
    """Return the training workers a driver's Ray has started."""
    return [each for each in driver.children(recursive=True) if "RayTrainWorker" in " ".join(each.cmdline())]


def start_driver(run_dir: Path, delay: float, repository: Path) -> subprocess.Popen[str]:
    script = repository / "tests/support/train_driver.py"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(repository), str(script.parent)])}
    return subprocess.Popen(
        [sys.executable, str(script), str(run_dir), str(delay)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_killed_driver_and_a_truncated_snapshot_do_not_change_the_result(
    undisturbed: TrainingResult, tmp_path: Path, repository: Path
) -> None:
    driver = start_driver(tmp_path, SECONDS_AN_EXAMPLE, repository)
    wait_for_step(driver, tmp_path, 12)
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
    folder = files.checkpoint_folder(tmp_path, "toy")
    newest = files.committed(folder)[-1].step
    assert 10 <= newest < 40

    result = train_toy(tmp_path)
    assert result.resumed_from == newest
    assert_same_run(tmp_path, undisturbed)

    # Killed after the last checkpoint, and the disk was full: weights, result and Ray's list are gone.
    result.weights.unlink()
    (tmp_path / files.RESULT_FILE).unlink()
    (folder / SNAPSHOT).write_bytes(b"")
    (folder / files.checkpoint_name(45, 2, "orphan")).mkdir()
    result = train_toy(tmp_path)
    assert result.resumed_from == 40
    assert (folder / (SNAPSHOT + ".broken")).read_bytes() == b""
    assert not list(folder.glob("*orphan"))
    assert_same_run(tmp_path, undisturbed)


def wait_for_step(driver: subprocess.Popen[str], run_dir: Path, step: int) -> None:
    """Wait until a step was measured."""
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline and driver.poll() is None:
        if any(row["step"] >= step for row in read_metrics(run_dir)):
            return
        time.sleep(0.05)
    driver.kill()
    pytest.fail(f"the run never came to step {step}: {driver.communicate()[0][-4000:]}")


def test_a_batch_that_does_not_divide_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="multiple of the 3 workers"):
        train(
            name="toy",
            build_model=ToyModel,
            build_examples=toy_examples(),
            build_validation=None,
            config=toy_config(),
            resources=Resources(num_workers=3),
            run_dir=tmp_path / "run",
            run_key="toy",
        )
    assert not (tmp_path / "run").exists()
