import multiprocessing
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import shard_jobs as jobs

from ltm3d.errors import AssetError, ConfigError
from ltm3d.transforms.isolation import ChildLimits, run_isolated

MORE_MEMORY = replace(jobs.LIMITS, memory_mb=512)


def test_result_comes_from_one_child_that_is_kept():
    first, second = (run_isolated(jobs.child_facts, limits=jobs.LIMITS) for _ in range(2))
    assert first["pid"] == second["pid"] != os.getpid()
    assert first["parent"] == os.getpid()
    assert first["omp"] == "1"
    assert run_isolated(jobs.double, 21, limits=jobs.LIMITS) == 42


def test_a_hang_in_native_code_is_a_timeout_by_the_clock_and_the_next_call_works():
    started = time.monotonic()
    with pytest.raises(AssetError) as caught:
        run_isolated(jobs.hang, limits=ChildLimits(timeout_s=0.5, clock_s=0.5, memory_mb=256))
    assert (caught.value.reason, caught.value.detail) == ("timeout", "more than 0.5 s by the clock")
    assert time.monotonic() - started < 20
    assert run_isolated(jobs.double, 4, limits=jobs.LIMITS) == 8


def test_native_code_that_computes_for_ever_is_a_timeout_and_the_next_call_works():
    with pytest.raises(AssetError) as caught:
        run_isolated(jobs.compute_for_ever, limits=replace(jobs.LIMITS, timeout_s=0.5))
    assert (caught.value.reason, caught.value.detail) == ("timeout", "more than 0.5 s of processor time")
    assert run_isolated(jobs.double, 4, limits=jobs.LIMITS) == 8


def test_what_a_busy_machine_takes_costs_no_good_asset():
    """Two seconds in which the child may not run count for nothing, however short its limit is."""
    limits = replace(jobs.LIMITS, timeout_s=5 * jobs.SPIN_S)
    assert run_isolated(jobs.stop_for_a_while, 2.0, limits=limits) > 2 > limits.timeout_s
    with pytest.raises(AssetError, match="timeout: more than 1 s of processor time"):
        run_isolated(jobs.spin, 2.0, limits=limits)


def test_imports_count_for_nothing_and_the_rest_does(tmp_path):
    limits = replace(jobs.LIMITS, timeout_s=0.6)
    assert run_isolated(jobs.import_slowly, str(tmp_path), 0.4, limits=limits) > 0.8
    with pytest.raises(AssetError, match="timeout"):
        run_isolated(jobs.spin, 0.8, limits=limits)


def test_each_call_has_the_whole_time():
    limits = replace(jobs.LIMITS, timeout_s=0.5)
    for _ in range(3):
        run_isolated(jobs.spin, 0.3, limits=limits)


def test_a_clock_that_no_call_could_live_with_is_refused():
    with pytest.raises(ConfigError, match=r"clock_s is 60, less than timeout_s \(120"):
        ChildLimits(timeout_s=120, clock_s=60)


def test_a_segfault_names_its_signal_and_the_next_call_works():
    with pytest.raises(AssetError) as caught:
        run_isolated(jobs.segfault, limits=jobs.LIMITS)
    assert caught.value.reason == "crash:SIGSEGV"
    assert run_isolated(jobs.double, 5, limits=jobs.LIMITS) == 10


def test_memory_above_the_limit_is_out_of_memory_and_below_it_is_not():
    assert run_isolated(jobs.eat_memory, 200, limits=MORE_MEMORY) == 200
    with pytest.raises(AssetError) as caught:
        run_isolated(jobs.eat_memory, 4096, limits=MORE_MEMORY)
    assert caught.value.reason == "out_of_memory"
    assert run_isolated(jobs.eat_memory, 200, limits=MORE_MEMORY) == 200


def test_an_asset_error_keeps_its_reason():
    with pytest.raises(AssetError) as caught:
        run_isolated(jobs.raise_asset_error, limits=jobs.LIMITS)
    assert (caught.value.reason, caught.value.detail) == ("no_surface", "nothing to see")


def test_a_quiet_exit_is_a_crash():
    with pytest.raises(AssetError) as caught:
        run_isolated(jobs.leave, limits=jobs.LIMITS)
    assert caught.value.reason == "crash"
    assert "exit code 3" in caught.value.detail


def test_an_error_of_our_own_code_is_not_hidden():
    with pytest.raises(TypeError):
        run_isolated(jobs.double, None, limits=jobs.LIMITS)


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
