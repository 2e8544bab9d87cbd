"""That two workers share the tests out as tests/support/lanes.py says."""

import subprocess
import sys
from pathlib import Path

import lanes
from imports import REPOSITORY

CONFTEST = """
import lanes

def pytest_xdist_make_scheduler(config, log):
    return lanes.Lanes(config, log)
"""
TEST = """
import os
import pytest

@pytest.mark.parametrize("number", range(3))
def test_it(number):
    open("ran", "a").write(f"{__name__} {os.getpid()}\\n")
"""


def test_a_file_runs_in_one_worker_and_two_workers_run(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    names = {f"test_{letter}" for letter in "abcdef"}
    for name in names:
        (tmp_path / f"{name}.py").write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--numprocesses", "2"]
    command += ["--dist", "loadscope", "--no-loadscope-reorder", "-o", f"pythonpath={Path(lanes.__file__).parent}", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    ran = [line.split() for line in (tmp_path / "ran").read_text().splitlines()]
    assert len(ran) == 18 and {name for name, _ in ran} == names
    assert len({(name, worker) for name, worker in ran}) == 6, "a file has one worker"
    assert len({worker for _, worker in ran}) == 2


def test_the_files_that_are_named_exist() -> None:
    named = {*lanes.SHARED, *lanes.SHARED.values(), *lanes.BY_CLASS, *(name.split("::")[0] for name in lanes.LONGEST)}
    assert not [name for name in named if not (REPOSITORY / name).is_file()]
