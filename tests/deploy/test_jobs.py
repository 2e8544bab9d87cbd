"""Stages as jobs of a real head on the loopback: submit, logs, status, stop, go on, exit codes, errors, secrets."""

import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ports import free_port
from ray_head import BIN, REPOSITORY, Head, environment, last_line
from toy_stage import make_checkout

from ltm3d.cli.doctor import check_cluster
from ltm3d.cluster.nodes import is_exposed
from ltm3d.cluster.report import MUST_AGREE, ask_cluster, disagreements

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TOKEN = "ltm3d-test-token-" + "0" * 32
MARKER = "marker-that-nothing-may-keep"


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    temp = Path(tempfile.mkdtemp(prefix="lh-"))
    secrets = {"AWS_SECRET_ACCESS_KEY": MARKER, "MLFLOW_TRACKING_PASSWORD": MARKER}
    head = Head.start(temp, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=TOKEN, **secrets)
    yield head
    head.stop()
    shutil.rmtree(temp, ignore_errors=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return make_checkout(tmp_path)


def entrypoint(checkout: Path, what: str) -> list[str]:
    return ["--", "bash", "-c", f"cd {checkout} && exec {sys.executable} toy_stage.py {what}"]


def status(head: Head, job: str, checkout: Path) -> str:
    """What `ray job status` calls a job's end."""
    done = head.job("status", job, cwd=checkout)
    text = (done.stdout + done.stderr).lower()
    return next(word for word in ("succeeded", "stopped", "failed") if re.search(rf"job '{job}' (was )?{word}", text))


def test_a_stage_trains_on_the_cluster_it_is_submitted_to(head: Head, checkout: Path) -> None:
    done = head.job("submit", "--submission-id", "whole", *entrypoint(checkout, "fast"), cwd=checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"nodes 1 data {checkout}/data" in done.stdout
    assert "resumed from None after 40" in done.stdout
    assert "joined the Ray cluster" in done.stdout and ": 1 nodes, 2 CPUs, 0 GPUs" in done.stdout
    assert status(head, "whole", checkout) == "succeeded"
    assert "resumed from None" in head.job("logs", "whole", cwd=checkout).stdout
    kept = [path for path in checkout.rglob("*") if path.is_file()]
    assert not [path for path in kept if MARKER.encode() in path.read_bytes() or TOKEN.encode() in path.read_bytes()]
    with sqlite3.connect(checkout / "mlflow.db") as connection:
        params = dict(connection.execute("select key, value from params"))
    assert params["recipe"] == "smoke" and not [key for key in params if key.startswith("resources")]
    assert MARKER not in str(head.jobs()) and TOKEN not in str(head.jobs())
    logs = [path for path in head.temp.rglob("*") if path.is_file() and path.suffix in (".log", ".out", ".err")]
    assert logs
    assert not [path for path in logs if MARKER.encode() in path.read_bytes() or TOKEN.encode() in path.read_bytes()]


def test_the_doctor_asks_the_head_and_names_what_refuses_it(head: Head, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    report = ask_cluster(head.address)
    (node,) = report.nodes
    assert node.has_checkout and node.free_gb > 0 and node.num_gpus == 0
    assert set(node.versions) == {"python", *MUST_AGREE} and not disagreements(report.nodes)
    assert report.has_token and not is_exposed(report.dashboard, has_token=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "f" * 40)
    (refused,) = check_cluster(head.address)
    assert refused.name == "Ray cluster" and "is its token here" in refused.remedy


def test_a_stopped_job_goes_on_where_it_was(head: Head, checkout: Path) -> None:
    submit = ["submit", "--no-wait", "--submission-id", "stopped", *entrypoint(checkout, "slow")]
    assert head.job(*submit, cwd=checkout).returncode == 0
    folder, deadline = checkout / "data/runs/toy/checkpoints/toy", time.monotonic() + 120
    while not list(folder.glob("*/COMMIT")):
        assert time.monotonic() < deadline, head.job("logs", "stopped", cwd=checkout).stdout
        time.sleep(0.2)
    assert head.job("stop", "stopped", cwd=checkout).returncode == 0
    assert status(head, "stopped", checkout) == "stopped"
    done = head.job("submit", *entrypoint(checkout, "fast"), cwd=checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(last_line(done.stdout, "resumed from").split()[2]) >= 5


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("missing", "error: data/tokens/sdf is empty; run encode_tokens (dvc repro)"),
        ("full", "error: the disk of {checkout} is full: free some space; the next run goes on from here"),
    ],
)
def test_a_failed_job_ends_with_one_line_and_exit_code_1(head: Head, checkout: Path, what: str, line: str) -> None:
    done = head.job("submit", "--submission-id", what, *entrypoint(checkout, what), cwd=checkout)
    assert done.returncode == 1
    assert last_line(done.stdout, "error:") == line.format(checkout=checkout)
    assert "Traceback" not in done.stdout
    assert status(head, what, checkout) == "failed"


def stage_elsewhere(checkout: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "toy_stage.py", "fast"],
        cwd=checkout,
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_stranger_is_refused_in_one_line(head: Head, checkout: Path) -> None:
    done = stage_elsewhere(checkout, RAY_ADDRESS=head.address, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="f" * 40)
    assert done.returncode == 1
    assert "refuses this process: set RAY_AUTH_MODE=token" in done.stderr.strip().splitlines()[-1]
    client = {**head.env, "RAY_AUTH_TOKEN": "f" * 40}
    command = [BIN / "ray", "job", "list", "--address", head.server]
    listed = subprocess.run(command, env=client, capture_output=True, text=True, timeout=60)
    assert listed.returncode != 0 and "whole" not in listed.stdout


def test_another_version_is_one_line(head: Head, checkout: Path) -> None:
    """The head is made to say that it runs another Ray, as one of another image would."""
    code = (
        "import json, ray; from ray.experimental.internal_kv import _internal_kv_get as get, _internal_kv_put as put; "
        f"ray.init(address={head.address!r}, log_to_driver=False); key, space = b'CLUSTER_METADATA', b'cluster'; "
        "old = get(key, namespace=space); new = {**json.loads(old), 'ray_version': '2.9.0'}; "
        "put(key, json.dumps(new).encode(), namespace=space); open('old', 'wb').write(old)"
    )
    run = {"cwd": checkout, "env": head.env, "check": True, "timeout": 60}
    subprocess.run([sys.executable, "-c", code], **run)
    done = stage_elsewhere(checkout, RAY_ADDRESS=head.address, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=TOKEN)
    assert done.returncode == 1
    assert "runs Ray 2.9.0 on Python" in done.stderr.strip().splitlines()[-1], done.stderr


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:{free}", "where no Ray head answers"),
        ("http://127.0.0.1:8265", "a job server's address"),
        ("ray://127.0.0.1:10001", "Ray Client cannot train"),
        ("somewhere", "it must be HOST:PORT"),
    ],
)
def test_a_wrong_address_is_one_line(checkout: Path, address: str, message: str) -> None:
    done = stage_elsewhere(checkout, RAY_ADDRESS=address.format(free=free_port()))
    assert done.returncode == 1
    assert message in done.stderr.strip().splitlines()[-1] and "Traceback" not in done.stderr


def test_lost_data_is_one_line(checkout: Path) -> None:
    done = stage_elsewhere(checkout, LTM3D_DATA=str(checkout / "absent"))
    assert done.returncode == 1 and "absent, no folder on" in done.stderr.strip().splitlines()[-1]


def test_a_head_that_others_reach_is_never_open() -> None:
    command = [REPOSITORY / "deploy/start_head", "10.0.0.4"]
    done = subprocess.run(command, env=environment(RAY_AUTH_MODE="disabled"), capture_output=True, text=True)
    assert done.returncode == 1
    assert "RAY_AUTH_MODE is disabled, and 10.0.0.4" in done.stderr
