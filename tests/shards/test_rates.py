import dataclasses
import subprocess
import sys
import time

import pytest

from ltm3d.shards.rates import (
    Measurement,
    cpu_seconds,
    describe_machine,
    rate_log,
    rates_file,
    read_measurements,
    read_rates,
    sum_rates,
)

SHARD = Measurement(
    shard="shard-00000", key="a", num_assets=10, num_kept=8, cpu_seconds=5.0, num_bytes=4000, machine="a Xeon, 2 cores"
)
OTHER = dataclasses.replace(SHARD, shard="shard-00001", num_assets=30, num_kept=12, cpu_seconds=1.0, machine="an Epyc")
SPIN = "import time\nwhile time.process_time() < 0.3: pass"


def note(path, *measurements, keys):
    write = rate_log(path, keys)
    for measurement in measurements:
        write(measurement)


def test_rates_are_sums_over_shards(tmp_path):
    rates = sum_rates([SHARD, OTHER])
    assert (rates.cpu_seconds_per_asset, rates.num_kept, rates.num_bytes) == (6 / 40, 20, 8000)
    assert rates.machine == "a Xeon, 2 cores; an Epyc"
    folder = tmp_path / "runs" / "build_targets@sdf"
    folder.mkdir(parents=True)
    note(folder / "rates.jsonl", SHARD, OTHER, keys={"shard-00000": "a", "shard-00001": "a"})
    assert read_rates(tmp_path) == {"build_targets@sdf": rates}
    assert read_rates(tmp_path / "absent") == {}


def test_a_later_run_keeps_what_is_still_planned_and_replaces_what_was_made_anew(tmp_path):
    path = tmp_path / "rates.jsonl"
    note(path, SHARD, OTHER, keys={"shard-00000": "a", "shard-00001": "a"})
    with path.open("a") as file:
        file.write('{"shard": "shard-00002", "ke')  # a kill
    note(path, keys={"shard-00000": "a", "shard-00001": "a", "shard-00002": "a"})
    assert read_measurements(path) == {"shard-00000": SHARD, "shard-00001": OTHER}
    again = dataclasses.replace(SHARD, key="b", cpu_seconds=9.0)
    note(path, again, keys={"shard-00000": "b"})
    assert read_measurements(path) == {"shard-00000": again}


def test_the_file_lies_with_the_state_of_the_stage_and_nowhere_without_one(tmp_path):
    (tmp_path / "data" / "runs" / "build_targets@sdf").mkdir(parents=True)
    output = tmp_path / "data" / "targets" / "sdf"
    assert rates_file(output, "build_targets@sdf") == tmp_path / "data" / "runs" / "build_targets@sdf" / "rates.jsonl"
    assert rates_file(output, "render_views") is None
    note(None, SHARD, keys={})


def test_cpu_seconds_count_children_that_live_and_children_that_are_gone():
    before = cpu_seconds()
    subprocess.run([sys.executable, "-c", SPIN], check=True)
    gone = cpu_seconds() - before
    assert gone >= 0.25
    with subprocess.Popen([sys.executable, "-c", f"{SPIN}\nprint(1, flush=True)\ninput()"], **PIPES) as child:
        child.stdout.readline()
        alive = cpu_seconds() - before
        assert alive >= gone + 0.25
        child.communicate("\n")
    assert cpu_seconds() - before >= alive - 1e-6  # its time is not lost; ticks of 0.01 s as floats
    started, own = cpu_seconds(), time.process_time()
    while time.process_time() < own + 0.1:
        pass
    assert cpu_seconds() - started == pytest.approx(0.1, abs=0.08)


PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}


def test_a_machine_is_its_processor_and_its_cores():
    assert describe_machine().endswith("cores") and len(describe_machine()) > 10
