"""Real runs of the toy on workers of Ray Train, and how one is compared with the undisturbed run."""

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file
from toy_training import ToyModel, computed, toy_config, toy_examples

from ltm3d.resources import Resources
from ltm3d.training.launch import TrainingResult, train
from ltm3d.training.progress import OnMetrics, read_metrics

SECONDS_AN_EXAMPLE = 0.03  # 40 steps of 4 examples a worker: 5 s, in which to kill
HOLD_FILE = "hold"  # in the folder of a driver's run: while it is there, training is so slow that it does not end
BATCH_SIZE = toy_config().global_batch_size


def train_toy(
    run_dir: Path,
    *,
    delay: float = 0.0,
    on_metrics: OnMetrics | None = None,
    zero_stage: int | None = 1,
    num_workers: int = 2,
    reads: Path | None = None,
    hold: Path | None = None,
) -> TrainingResult:
    """Train the toy with Ray, or go on with it; the model notes in the folder `reads` what it trained on."""
    if reads is not None:
        reads.mkdir(parents=True, exist_ok=True)
    return train(
        name="toy",
        build_model=partial(ToyModel, reads=reads),
        build_examples=toy_examples(delay=delay, hold=hold),
        build_validation=toy_examples(count=11),
        config=toy_config(zero_stage=zero_stage),
        resources=Resources(num_workers=num_workers),
        run_dir=run_dir,
        run_key="toy",
        on_metrics=on_metrics,
    )


def trained_on(reads: Path, num_workers: int, steps: range, *, of: int = 0) -> list[str]:
    """Return the uids of some steps' batches as they lie in the global batch.

    Args:
        steps: the steps that the processes took, or the first of them.
        of: which processes of each rank, in the order of their first batch; a restart makes new ones.
    """
    rows = []
    for rank in range(num_workers):
        files = sorted(reads.glob(f"{rank}-*"), key=lambda path: path.stat().st_ctime_ns)
        uids = files[of].read_text().split()
        share = BATCH_SIZE // num_workers
        rows.append([uids[start : start + share] for start in range(0, share * len(steps), share)])
        assert len(rows[-1][-1]) == share, f"rank {rank} took less than {len(steps)} steps"
    return [uid for shares in zip(*rows, strict=True) for share in shares for uid in share]


def assert_same_weights(run_dir: Path, undisturbed: TrainingResult) -> None:
    """Compare weights bit by bit."""
    mine, expected = load_file(run_dir / "model.safetensors"), load_file(undisturbed.weights)
    assert mine.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(mine[name], value), name


def assert_same_run(run_dir: Path, undisturbed: TrainingResult, *, besides: tuple[int, ...] = ()) -> None:
    """Compare weights bit by bit, and all that was computed.

    Args:
        besides: steps whose rows are left out. A stop adds one; a row is the mean since the one before it, so the next
            is another, too.
    """
    assert_same_weights(run_dir, undisturbed)
    rows = [computed(read_metrics(folder)) for folder in (run_dir, undisturbed.weights.parent)]
    rows = [[row for row in each if row["step"] not in besides] for each in rows]
    assert rows[0] == rows[1]


def assert_close_run(run_dir: Path, undisturbed: TrainingResult, *, besides: tuple[int, ...] = ()) -> None:
    """Compare weights and metrics to the tolerance of fp32 sums in another order."""
    rows = [computed(read_metrics(folder)) for folder in (run_dir, undisturbed.weights.parent)]
    for mine, theirs in zip(*([row for row in each if row["step"] not in besides] for each in rows), strict=True):
        assert mine.keys() == theirs.keys()
        for name in mine:
            assert mine[name] == pytest.approx(theirs[name], rel=1e-3), (name, mine["step"])
    weights, expected = load_file(run_dir / "model.safetensors"), load_file(undisturbed.weights)
    assert all(torch.allclose(weights[name], expected[name], atol=1e-4) for name in expected)


def rows_of_a_stop(step: int) -> tuple[int, ...]:
    """Return the steps whose rows of metrics a stop changes; the toy measures every second step and every fifth."""
    return (step, step + 1) if step % 2 and step % 5 else ()


def ray_workers(driver: psutil.Process) -> list[psutil.Process]:
    """Return the training workers a driver's Ray has started."""
    return [each for each in driver.children(recursive=True) if "RayTrainWorker" in " ".join(each.cmdline())]


def start_driver(run_dir: Path, repository: Path, script: str = "train_driver.py") -> subprocess.Popen[str]:
    """Start a process that trains the toy, slowly, with a Ray of its own."""
    path = repository / "tests/support" / script
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(repository), str(path.parent)])}
    return subprocess.Popen(
        [sys.executable, str(path), str(run_dir), str(SECONDS_AN_EXAMPLE)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for_step(driver: subprocess.Popen[str], run_dir: Path, step: int) -> None:
    """Wait until a step was measured."""
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline and driver.poll() is None:
        if any(row["step"] >= step for row in read_metrics(run_dir)):
            return
        time.sleep(0.05)
    driver.kill()
    pytest.fail(f"the run never came to step {step}: {driver.communicate()[0][-4000:]}")
