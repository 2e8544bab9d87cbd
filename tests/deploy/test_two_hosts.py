"""A cluster of two hosts, which are network namespaces of this machine: they share a checkout, not Ray's folders."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray_head import REPOSITORY, Head, last_line
from toy_stage import make_checkout
from two_hosts import Host, two_hosts, why_not

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(reason := why_not()), reason=reason or "two hosts can be made"),
]

TOKEN = "ltm3d-test-token-" + "1" * 32


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[Host, Host]]:
    with two_hosts() as hosts:
        yield hosts


@pytest.fixture(scope="module")
def head(hosts: tuple[Host, Host]) -> Iterator[Head]:
    """A head on the first host, and a node on the second that has joined it, one CPU each."""
    first, second = hosts
    folder = Path(tempfile.mkdtemp(prefix="l2-"))
    temp = folder / "ray"
    temp.mkdir()
    env = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
    processes = []
    try:
        head = Head.start(temp, host=first.address, inside=first.inside(), num_cpus=1, **env)
        processes.append(head.process)
        options = ["--num-cpus", "1", "--object-store-memory", "100000000", "--block"]
        command = [*second.inside(temp), REPOSITORY / "deploy/start_worker", head.address, *options]
        with (folder / "worker.log").open("wb") as log:
            worker = subprocess.Popen(command, cwd=folder, env=head.env, stdout=log, stderr=subprocess.STDOUT)
        processes.append(worker)
        deadline = time.monotonic() + 120
        while "Ray runtime started" not in (log_of := (folder / "worker.log").read_text()):
            assert worker.poll() is None and time.monotonic() < deadline, log_of
            time.sleep(0.2)
        yield head
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return make_checkout(tmp_path / "checkout")


def entrypoint(checkout: Path) -> list[str]:
    return ["--", "bash", "-c", f"cd {checkout} && exec python toy_stage.py fast"]


def assert_one_worker_on_each(output: str, hosts: tuple[Host, Host]) -> None:
    assert "resumed from None after 40" in output
    workers = json.loads(last_line(output, "workers on").removeprefix("workers on"))
    assert workers == [host.address for host in hosts]


def test_a_training_has_a_worker_on_each_host(head: Head, hosts: tuple[Host, Host], checkout: Path) -> None:
    done = head.job("submit", *entrypoint(checkout), cwd=checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ": 2 nodes, 2 CPUs, 0 GPUs" in done.stdout
    assert_one_worker_on_each(done.stdout, hosts)


def test_a_working_directory_travels_to_both_hosts(
    head: Head, hosts: tuple[Host, Host], checkout: Path, tmp_path: Path
) -> None:
    data = make_checkout(tmp_path / "home") / "data"
    data.mkdir()
    command = ["--working-dir", ".", "--", "env", f"LTM3D_DATA={data}", "python", "toy_stage.py", "fast"]
    done = head.job("submit", *command, cwd=checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_one_worker_on_each(done.stdout, hosts)
    assert (data / "runs/toy/result.json").is_file() and not (checkout / "data").exists()


def test_the_doctor_names_both_hosts(head: Head, hosts: tuple[Host, Host], checkout: Path) -> None:
    code = (
        "import json; from dataclasses import asdict; from ltm3d.cli.doctor import check_ray; "
        "print(json.dumps([asdict(finding) for finding in check_ray()]))"
    )
    env = {**head.env, "RAY_ADDRESS": head.address}
    command = [*hosts[0].inside(), sys.executable, "-c", code]
    done = subprocess.run(command, cwd=checkout, env=env, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    findings = {finding["name"]: finding for finding in json.loads(done.stdout.splitlines()[-1])}
    assert set(findings) == {"Ray cluster", "Ray dashboard", *(f"node {host.address}" for host in hosts)}
    assert "2 nodes answered, 0 GPUs" in findings["Ray cluster"]["detail"]
    assert findings["Ray dashboard"]["detail"].endswith("asks for a token") and not findings["Ray dashboard"]["remedy"]
    assert all(", sees this folder" in findings[f"node {host.address}"]["detail"] for host in hosts)


def test_a_checkout_that_the_second_host_lacks_is_one_line(head: Head, hosts: tuple[Host, Host]) -> None:
    checkout = make_checkout(head.temp / "checkout")
    done = head.job("submit", *entrypoint(checkout), cwd=checkout)
    assert done.returncode == 1
    assert last_line(done.stdout, "error:").startswith(f"error: {checkout} is not on node {hosts[1].address}: ")
    assert "Traceback" not in done.stdout
