"""SIGTERM to a real process; workers that hear of it together are in test_survival.py."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from toy_training import ToyModel, toy_config, toy_examples

from ltm3d.training.checkpoints import files
from ltm3d.training.interruption import Interruption, TrainingStopped, request_stop
from ltm3d.training.launch import TrainingResult, train_locally
from ltm3d.training.loop import DistContext
from ltm3d.training.progress import OnMetrics

PROGRAM = """
import signal, sys
from pathlib import Path
from ltm3d.training.interruption import TrainingStopped, stopping_on_signals
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
run_dir = Path(sys.argv[1])
with stopping_on_signals(run_dir):
    print("started", flush=True)
    while not (run_dir / "stop").exists():
        pass
    print("kept", flush=True)
    raise TrainingStopped("stopped here")
"""


def test_sigterm_is_obeyed_after_the_state_is_kept(tmp_path: Path) -> None:
    """By the handler that was there before; a stage under DVC has one that exits."""
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert program.stdout is not None and program.stdout.readline() == "started\n"
    program.terminate()
    output, log = program.communicate(timeout=60)
    assert output == "kept\n"
    assert program.returncode == 128 + signal.SIGTERM
    assert "stopped here" in log


def train_toy(run_dir: Path, on_metrics: OnMetrics | None = None, delay: float = 0.0) -> TrainingResult:
    return train_locally(
        name="toy",
        build_model=ToyModel,
        build_examples=toy_examples(delay=delay),
        build_validation=None,
        config=toy_config(ema_decay=0.9, checkpoint_every=100),
        run_dir=run_dir,
        run_key="toy",
        on_metrics=on_metrics,
    )


def test_a_stopped_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with pytest.raises(TrainingStopped, match=r"toy: stopped at step \d+; the next run goes on from there"):
        train_toy(tmp_path / "run", lambda step, row: request_stop(tmp_path / "run"), delay=0.01)
    stopped_at = files.committed(files.checkpoint_folder(tmp_path / "run", "toy"))[-1].step
    assert 0 < stopped_at < 40
    result = train_toy(tmp_path / "run")
    assert result.resumed_from == stopped_at
    undisturbed = load_file(train_toy(tmp_path / "undisturbed").weights)
    assert all(torch.equal(value, undisturbed[name]) for name, value in load_file(result.weights).items())


def test_a_notice_is_answered_once_and_a_stop_always(tmp_path: Path) -> None:
    interruption = Interruption(DistContext(), tmp_path, lambda: True)
    assert interruption.wants_checkpoint() and not interruption.stops
    assert not interruption.wants_checkpoint()
    request_stop(tmp_path)
    assert interruption.wants_checkpoint() and interruption.stops
