"""Ctrl-C in a terminal, as people press it at any moment of a stage: it reaches the stage, its Ray and dvc."""

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import yaml
from checkout import Checkout
from terminal import Terminal, terminal
from toy_stage import DVC, make_checkout

from ltm3d.training.checkpoints import files
from ltm3d.training.interruption import WAIT_S
from ltm3d.training.progress import read_metrics

LIMIT_S = 20
WHERE = r"toy: stopped at step (\d+); the next run goes on from there"
HERE = "stopped; the next run goes on from here"
ENDED = re.compile(
    r"exited with (130|-2)\b"
)  # dvc of its stage: bash hands on its code, dash ends by the signal as well
SLOW_STAGE = [sys.executable, "toy_stage.py", "slow"]


def environment(repository: Path) -> dict[str, str]:
    paths = [str(repository), str(repository / "tests/support")]
    binaries = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PATH": binaries, "DVC_NO_ANALYTICS": "1"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The toy's checkout; under dvc its stage is slow, too."""
    folder = make_checkout(tmp_path / "checkout")
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"toy": DVC | {"cmd": "python toy_stage.py slow"}}}))
    (folder / ".dvc").mkdir()
    (folder / ".dvc/config").write_text("[core]\n    no_scm = True\n    analytics = false\n")
    return folder


def has_process(opened: Terminal, name: str) -> bool:
    for process in opened.processes():
        try:
            if name in " ".join(process.cmdline()):
                return True
        except psutil.Error:  # it has just ended
            continue
    return False


def is_importing(opened: Terminal) -> bool:
    """Say whether a stage has loaded torch's library, which takes it a second, and the rest of its imports many."""
    for process in opened.processes():
        maps = Path(f"/proc/{process.pid}/maps")
        if "-m" in process.cmdline() and "libtorch_cpu" in maps.read_text():
            return True
    return False


def is_saving(run_dir: Path) -> bool:
    return any(not (path / files.COMMIT_FILE).exists() for path in run_dir.glob("checkpoints/toy/checkpoint-*"))


Moment = Callable[[Terminal, Path], bool]
MOMENTS: dict[str, Moment] = {
    "ray starts": lambda opened, run_dir: has_process(opened, "gcs_server"),
    "workers start": lambda opened, run_dir: has_process(opened, "RayTrainWorker"),
    "in the middle": lambda opened, run_dir: any(row["step"] >= 8 for row in read_metrics(run_dir)),
    "a checkpoint is written": lambda opened, run_dir: is_saving(run_dir),
    "at the end": lambda opened, run_dir: (run_dir / "model.safetensors").exists(),
}


def interrupt(opened: Terminal, happens: Callable[[], bool]) -> tuple[int, str, float]:
    """Press Ctrl-C when something happens; give the exit code, what was said of it, and the seconds that it took."""
    opened.wait_until(happens)
    before, ours = len(opened.output), opened.processes()
    pressed_at = opened.press_ctrl_c()
    code = opened.wait(LIMIT_S)
    seconds = time.monotonic() - pressed_at
    _, alive = psutil.wait_procs(ours, timeout=10)
    assert not alive, f"left behind: {alive}"
    plain = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "\n", opened.output[before:])
    lines = [line.strip().removeprefix("^C") for line in plain.replace("\r", "\n").splitlines()]
    said = [line for line in lines if "stopped" in line or "Error" in line or "Traceback" in line or "WARN" in line]
    return code, "\n".join(said), seconds


@pytest.mark.timeout(600)
def test_while_the_libraries_are_imported(checkout: Path, repository: Path) -> None:
    command = [sys.executable, "-m", "pipelines.train_generator", "sdf"]
    with terminal(command, checkout, environment(repository)) as opened:
        assert interrupt(opened, lambda: is_importing(opened))[:2] == (130, HERE)


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_training_ends_with_one_line_and_the_next_run_goes_on(checkout: Path, repository: Path, moment: str) -> None:
    run_dir = checkout / "data/runs/toy"
    with terminal(SLOW_STAGE, checkout, environment(repository)) as opened:
        code, said, seconds = interrupt(opened, lambda: MOMENTS[moment](opened, run_dir))
    stopped = re.fullmatch(WHERE, said)
    assert code == 130 and stopped is not None, (code, said)
    step = int(stopped[1])
    kept = files.committed(files.checkpoint_folder(run_dir, "toy"))
    assert step == max((each.step for each in kept), default=0)
    assert {"ray starts": step == 0, "workers start": step == 0, "at the end": step == 40}.get(moment, 5 <= step < 40)
    if moment != "in the middle":
        return
    if seconds < WAIT_S:  # else the machine was too busy to write another checkpoint
        assert step == max(row["step"] for row in read_metrics(run_dir)), "the state of the step it was in"
    with terminal(SLOW_STAGE, checkout, environment(repository)) as opened:
        assert opened.wait(500) == 0, opened.output[-4000:]
    assert f"toy: going on from step {step} of 40" in opened.output
    assert f"resumed from {step} after 40" in opened.output


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_under_dvc(checkout: Path, repository: Path) -> None:
    """Which hears of it, too, and waits for its stage."""
    run_dir, command = checkout / "data/runs/toy", ["dvc", "repro"]
    for moment in ("workers start", "in the middle"):
        with terminal(command, checkout, environment(repository)) as opened:
            code, said, _ = interrupt(opened, lambda opened=opened, moment=moment: MOMENTS[moment](opened, run_dir))
        stopped = re.search(WHERE, said)
        assert code != 0 and stopped is not None, (code, said)
        assert ENDED.search(opened.output) and "Traceback" not in said
    with terminal(command, checkout, environment(repository)) as opened:
        assert opened.wait(500) == 0, opened.output[-4000:]
    assert int(stopped[1]) >= 8 and f"toy: going on from step {stopped[1]} of 40" in opened.output


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_under_dvc_while_the_libraries_are_imported(checkout: Path, repository: Path) -> None:
    stage = {"cmd": f"{sys.executable} -m pipelines.train_generator sdf"}
    (checkout / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"train": stage}}))
    with terminal(["dvc", "repro"], checkout, environment(repository)) as opened:
        code, said, _ = interrupt(opened, lambda: is_importing(opened))
    assert code != 0 and HERE in said and ENDED.search(opened.output) and "Traceback" not in said


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_data_stage_on_ray_data(tmp_path: Path, repository: Path) -> None:
    checkout = Checkout(tmp_path, repository)
    checkout.set_params(sources=[{"kind": "procedural", "num_objects": 2000, "seed": 3}])
    command = [sys.executable, "-m", "pipelines.download"]
    with terminal(command, tmp_path, environment(repository)) as opened:
        found = interrupt(opened, lambda: any(checkout.data.glob("raw/shard-*/shard.json")))
    assert found[:2] == (130, HERE), opened.output[-4000:]


STUBBORN = """
import subprocess, sys, time
from pipelines import _stage
def main():
    child = subprocess.Popen(["sleep", "600"])
    print("up", flush=True)
    while True:
        try:
            time.sleep(600)
        except KeyboardInterrupt:
            print("swallowed", flush=True)
_stage.run(main)
"""


def test_work_that_swallows_the_interrupt_is_ended_with_its_children(checkout: Path, repository: Path) -> None:
    (checkout / "stubborn.py").write_text(STUBBORN)
    with terminal([sys.executable, "stubborn.py"], checkout, environment(repository)) as opened:
        opened.wait_until(lambda: "up" in opened.output)
        ours = opened.processes()
        assert len(ours) == 2
        opened.press_ctrl_c()
        opened.wait_until(lambda: "a second one ends it at once" in opened.output, LIMIT_S)
        opened.press_ctrl_c()
        assert opened.wait(LIMIT_S) == 130
    assert opened.output.strip().splitlines()[-1].endswith(HERE)
    assert "swallowed" in opened.output and not psutil.wait_procs(ours, timeout=10)[1]


def test_a_stage_in_the_background_ignores_it_as_other_programs_do(checkout: Path, repository: Path) -> None:
    (checkout / "stage.py").write_text(STUBBORN.replace("time.sleep(600)", "time.sleep(3); child.kill(); return"))
    command = ["sh", "-c", f"trap '' INT; exec {sys.executable} stage.py"]
    with terminal(command, checkout, environment(repository)) as opened:
        opened.wait_until(lambda: "up" in opened.output)
        os.kill(opened.pid, signal.SIGINT)
        assert opened.wait(LIMIT_S) == 0 and "swallowed" not in opened.output
