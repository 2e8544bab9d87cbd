"""The stage wrapper, run as dvc runs it: a process of its own in a folder with a params.yaml."""

import fcntl
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from stubborn_files import lacking_file_system
from toy_params import PARAMS

from ltm3d.errors import ConfigError, DataError, Ltm3dError
from pipelines._params import Params
from pipelines._stage import find_known_error, locked, read_resources, run, stage

HEADER = """
import sys, time
from pathlib import Path
from ltm3d.errors import DataError
from ltm3d.resources import Resources
from ltm3d.cluster import session
from pipelines import _stage
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text(PARAMS)
    return tmp_path


def write_stage(checkout: Path, body: str, name: str = "toy_stage.py") -> list[str]:
    (checkout / name).write_text(HEADER + textwrap.dedent(body) + "\n_stage.run(main)\n")
    return [sys.executable, name]


def run_stage(checkout: Path, body: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*write_stage(checkout, body), *arguments]
    return subprocess.run(command, cwd=checkout, env=environment(), capture_output=True, text=True, timeout=120)


def environment(**extra: str) -> dict[str, str]:
    root = Path(__file__).resolve().parents[2]
    return {**os.environ, "PYTHONPATH": str(root), **extra}


def test_a_stage_has_settings_state_tracker_and_estimate(checkout: Path) -> None:
    done = run_stage(
        checkout,
        """
        def main(representation):
            with _stage.stage("toy", representation=representation, minutes="1 minute", disk="2 MB") as stage:
                stage.tracker.log_metrics({"metric": 4.0})
                stage.start_ray()
                import ray
                print(ray.get(ray.remote(lambda: 7).remote()), int(ray.cluster_resources()["CPU"]))
                print(stage.seed, stage.state_dir, stage.resources.num_workers, stage.params.recipe)
        """,
        "sdf",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["7", "2", "5", "data/runs/toy@sdf", "2", "smoke"]
    assert "toy@sdf: about 1 minute and 2 MB of disk" in done.stderr
    import sqlite3

    with sqlite3.connect(checkout / "mlflow.db") as connection:
        metrics = dict(connection.execute("select key, value from metrics where key in ('metric', 'stage_seconds')"))
        (status,) = connection.execute("select status from runs").fetchone()
    assert metrics["metric"] == 4.0 and metrics["stage_seconds"] > 0
    assert status == "FINISHED"


def run_here(main: Callable[..., None], *arguments: str) -> str:
    """Run a stage's main in this process; give what it says as it ends with code 1."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as raised:
        patch.setattr(sys, "argv", ["toy.py", *arguments])
        run(main)
    return str(raised.value.code)


def open_toy_stage(representation: str) -> None:
    with stage("toy", representation=representation, minutes="", disk=""):
        pytest.fail("it must not start")


def test_our_own_error_is_one_line_and_exit_code_1() -> None:
    def main() -> None:
        raise DataError("data/meshes is empty; run clean_meshes")

    assert run_here(main) == "error: data/meshes is empty; run clean_meshes"


def test_an_unexpected_error_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def main() -> None:
        raise KeyError("missing")

    monkeypatch.setattr(sys, "argv", ["toy.py"])
    with pytest.raises(KeyError):
        run(main)


@pytest.mark.parametrize("arguments", [["--force"], ["sdf", "x"]])
def test_a_stage_takes_no_flags(arguments: list[str]) -> None:
    assert "takes no flags; usage: python -m pipelines.toy;" in run_here(lambda: pytest.fail("it ran"), *arguments)


def test_a_matrix_stage_names_its_items(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout)
    assert "pipelines.toy REPRESENTATION (sdf)" in run_here(open_toy_stage)
    assert "toy voxels: params.yaml has the representations sdf" in run_here(open_toy_stage, "voxels")


def test_a_held_lock_is_one_clear_line(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout)
    lock = checkout / "data/runs/toy@sdf.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as file:
        file.write("4711")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        message = run_here(open_toy_stage, "sdf")
    assert message == (
        "error: toy@sdf is already running in this checkout (process 4711); wait for it, or stop it first"
    )


def test_a_file_system_without_locks_is_told_in_one_line(checkout: Path) -> None:
    command = write_stage(checkout, "def main():\n    _stage.stage('toy', minutes='', disk='').__enter__()")
    lack = lacking_file_system(checkout, locks=checkout)
    done = subprocess.run(command, cwd=checkout, env=environment(**lack), capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    told = done.stderr.strip().splitlines()[-1]
    assert told.startswith("error: data/runs/toy.lock: the file system refuses a lock by flock (Function not")
    assert "move data/ (LTM3D_DATA) to a local disk" in told


def test_a_lock_is_free_again_after_use(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    for _ in range(2):
        with locked(path, "x"), pytest.raises(Ltm3dError, match="already running"), locked(path, "x"):
            pass


def test_ctrl_c_ends_cleanly(checkout: Path) -> None:
    command = write_stage(checkout, "def main():\n    print('up', flush=True)\n    time.sleep(60)")
    with subprocess.Popen(
        command,
        cwd=checkout,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a test run in the background ignores it
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read() == "stopped; the next run goes on from here\n"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_a_stage_dies_with_dvc_even_by_kill_9(checkout: Path) -> None:
    command = write_stage(
        checkout, "def main():\n    Path('pid').write_text(str(__import__('os').getpid()))\n    time.sleep(60)"
    )
    parent = f"import subprocess; subprocess.run({command!r})"
    with subprocess.Popen([sys.executable, "-c", parent], cwd=checkout, env=environment(DVC_ROOT=str(checkout))) as dvc:
        deadline = time.monotonic() + 90
        while not (checkout / "pid").is_file() or not (checkout / "pid").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        dvc.kill()
    pid = int((checkout / "pid").read_text())
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < deadline, "the stage outlived dvc"
        time.sleep(0.05)


@pytest.mark.ray
def test_errors_from_ray_tasks_are_found(checkout: Path) -> None:
    done = run_stage(
        checkout,
        """
        def fail(row):
            raise DataError("the shard is damaged")

        def main():
            with session.ray_started(Resources(), {}):
                import ray
                ray.get(ray.remote(fail).remote(1))
        """,
    )
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == "error: the shard is damaged"


@pytest.mark.ray
def test_assets_are_shared_out_over_workers_and_come_back_in_order(checkout: Path) -> None:
    done = run_stage(
        checkout,
        """
        import os

        def work(asset):
            import torch
            return asset * asset, torch.get_num_threads(), os.getpid()

        def main():
            with session.ray_started(Resources(), {}):
                squares, threads, processes = zip(*session.map_over_ray(work, range(12)))
            print(list(squares), set(threads), os.getpid() in processes)
        """,
    )
    assert done.stdout.strip() == f"{[asset * asset for asset in range(12)]} {{1}} False", done.stderr


def test_a_nested_known_error_is_found_only_behind_ray() -> None:
    ours = DataError("x")
    assert find_known_error(ours) is ours
    other = KeyError("y")
    other.__cause__ = ours
    assert find_known_error(other) is None


def test_unknown_resources_are_named() -> None:
    with pytest.raises(ConfigError, match=r"resources\.num_gpus: unknown key"):
        read_resources(Params({"resources": {"num_gpus": 1, "tracking_uri": "sqlite:///x.db"}}))
    with pytest.raises(ConfigError, match="tracking_uri: missing"):
        read_resources(Params({"resources": {}}))


@pytest.mark.parametrize(
    "uri",
    ["https://me:hidden@mlflow.example:5000", "http://:hidden@mlflow:5000", "postgresql://me:hidden@db:5432/mlflow"],
)
def test_a_password_in_the_tracking_uri_is_refused_and_not_repeated(uri: str) -> None:
    with pytest.raises(ConfigError, match=r"tracking_uri holds a password: .*MLFLOW_TRACKING_PASSWORD") as raised:
        read_resources(Params({"resources": {"num_workers": 1, "tracking_uri": uri}}))
    assert "hidden" not in str(raised.value)
    for kept in (uri.partition("://")[0] + "://mlflow:5000", "sqlite:///mlflow.db"):
        assert read_resources(Params({"resources": {"num_workers": 1, "tracking_uri": kept}}))[1] == kept
