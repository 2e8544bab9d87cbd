"""A checkout as a job of a head on the loopback: `dvc repro` within it, and its upload."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ray_head import BIN, Head, last_line
from toy_stage import WEIGHTS, make_checkout

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    temp = Path(tempfile.mkdtemp(prefix="lc-"))
    head = Head.start(temp, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="ltm3d-test-token-" + "2" * 32)
    yield head
    head.stop()
    shutil.rmtree(temp, ignore_errors=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return make_checkout(tmp_path / "checkout")


def put_under_dvc(checkout: Path) -> None:
    for command in (["git", "init", "--quiet"], [BIN / "dvc", "init", "--quiet"]):
        subprocess.run(command, cwd=checkout, check=True)


def test_dvc_repro_is_a_job(head: Head, checkout: Path) -> None:
    put_under_dvc(checkout)
    entrypoint = ["--", "bash", "-c", f"cd {checkout} && exec dvc repro"]
    done = head.job("submit", *entrypoint, cwd=checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "joined the Ray cluster" in done.stdout and "resumed from None after 40" in done.stdout
    assert (checkout / WEIGHTS).is_file()
    (stage,) = yaml.safe_load((checkout / "dvc.lock").read_text())["stages"].values()
    assert [out["path"] for out in stage["outs"]] == ["data/toy"]
    again = head.job("submit", *entrypoint, cwd=checkout)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Data and pipelines are up to date" in again.stdout and "joined" not in again.stdout


def test_a_working_directory_is_a_job(head: Head, checkout: Path, tmp_path: Path) -> None:
    """It runs in a copy, and its data goes where LTM3D_DATA says; dvc knows nothing of it."""
    shared = make_checkout(tmp_path / "shared")
    data = shared / "data"
    data.mkdir()
    entrypoint = ["--", "env", f"LTM3D_DATA={data}", "python", "toy_stage.py", "fast"]
    done = head.job("submit", "--working-dir", ".", *entrypoint, cwd=checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"nodes 1 data {data}" in done.stdout and "resumed from None after 40" in done.stdout
    assert (data / "toy" / Path(WEIGHTS).name).is_file()
    assert not (checkout / "data").exists() and not (checkout / "dvc.lock").exists()
    assert (shared / "mlflow.db").is_file(), "a relative address is one of the checkout whose data it is"
    alone = tmp_path / "alone"
    alone.mkdir()
    refused = head.job(
        "submit", "--working-dir", ".", "--", "env", f"LTM3D_DATA={alone}", *entrypoint[3:], cwd=checkout
    )
    assert refused.returncode == 1
    line = last_line(refused.stdout, "error:")
    assert "sqlite:///mlflow.db is relative" in line and "is a copy that Ray deletes" in line
    assert not list(alone.iterdir())


def test_a_failed_stage_of_dvc_is_a_failed_job(head: Head, checkout: Path) -> None:
    (checkout / "params.yaml").write_text("recipe: smoke\nseed: 5\n")
    put_under_dvc(checkout)
    done = head.job("submit", "--", "bash", "-c", f"cd {checkout} && exec dvc repro", cwd=checkout)
    assert done.returncode == 1
    assert last_line(done.stdout, "error:").startswith("error: resources: no such key in params.yaml")
    assert "failed to reproduce 'toy'" in done.stdout
    assert not (checkout / "dvc.lock").exists()
