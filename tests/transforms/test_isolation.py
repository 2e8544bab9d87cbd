import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
import shard_jobs as jobs

from ltm3d.errors import AssetError
from ltm3d.transforms.isolation import run_isolated


def test_result_comes_from_one_child_that_is_kept():
    first, second = (run_isolated(jobs.child_facts, timeout_s=30, memory_mb=256) for _ in range(2))
    assert first["pid"] == second["pid"] != os.getpid()
    assert first["parent"] == os.getpid()
    assert first["omp"] == "1"
    assert run_isolated(jobs.double, 21, timeout_s=30, memory_mb=256) == 42


def test_a_hang_in_native_code_is_a_timeout_and_the_next_call_works():
    started = time.monotonic()
    with pytest.raises(AssetError) as caught:
        run_isolated(jobs.hang, timeout_s=0.5, memory_mb=256)
    assert caught.value.reason == "timeout"
    assert time.monotonic() - started < 20
    assert run_isolated(jobs.double, 4, timeout_s=30, memory_mb=256) == 8


def test_a_segfault_names_its_signal_and_the_next_call_works():
    with pytest.raises(AssetError) as caught:
        run_isolated(jobs.segfault, timeout_s=30, memory_mb=256)
    assert caught.value.reason == "crash:SIGSEGV"
    assert run_isolated(jobs.double, 5, timeout_s=30, memory_mb=256) == 10


def test_memory_above_the_limit_is_out_of_memory_and_below_it_is_not():
    assert run_isolated(jobs.eat_memory, 200, timeout_s=30, memory_mb=512) == 200
    with pytest.raises(AssetError) as caught:
        run_isolated(jobs.eat_memory, 4096, timeout_s=30, memory_mb=512)
    assert caught.value.reason == "out_of_memory"
    assert run_isolated(jobs.eat_memory, 200, timeout_s=30, memory_mb=512) == 200


def test_an_asset_error_keeps_its_reason():
    with pytest.raises(AssetError) as caught:
        run_isolated(jobs.raise_asset_error, timeout_s=30, memory_mb=256)
    assert (caught.value.reason, caught.value.detail) == ("no_surface", "nothing to see")


def test_a_quiet_exit_is_a_crash():
    with pytest.raises(AssetError) as caught:
        run_isolated(jobs.leave, timeout_s=30, memory_mb=256)
    assert caught.value.reason == "crash"
    assert "exit code 3" in caught.value.detail


def test_an_error_of_our_own_code_is_not_hidden():
    with pytest.raises(TypeError):
        run_isolated(jobs.double, None, timeout_s=30, memory_mb=256)


def test_the_child_dies_with_its_parent():
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    parent = context.Process(target=jobs.report_child, args=(sender,))
    parent.start()
    assert receiver.poll(30)
    child = receiver.recv()
    assert Path(f"/proc/{child}").exists()
    assert parent.pid is not None
    os.kill(parent.pid, signal.SIGKILL)
    parent.join()
    deadline = time.monotonic() + 10
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_the_child_of_a_ray_worker_does_not_import_ray(small_ray):
    import ray

    facts = ray.get(ray.remote(jobs.facts_from_worker).remote())
    assert facts["ray"] is False
    assert facts["pid"] != facts["parent"]
