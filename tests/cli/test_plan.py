"""`ltm3d plan` against metrics worked out by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from ltm3d.cli.plan import plan
from ltm3d.cli.plan_data import UTILISATION, plan_data
from ltm3d.errors import DataError
from ltm3d.shards.manifest import MAX_SHARDS
from ltm3d.shards.rates import Measurement, Rates, rate_log

# 4 CPU-s and 1.6 MB an asset taken on; a fifth is rejected
RATES = Rates(num_assets=100, num_kept=80, cpu_seconds=400.0, num_bytes=160_000_000, machine="a Xeon, 2 cores")


def made(*names: str, rates: Rates = RATES, **changes: Any) -> dict[str, Any]:
    arguments = {"num_assets": 9000, "num_cores": 20, "network_mb_per_s": 1.0, "price_per_hour": 6.0} | changes
    return plan_data(dict.fromkeys(names, rates), **arguments)


def test_a_stage_on_all_assets_scales_as_worked_out_by_hand() -> None:
    # 9,000 x 4 s = 10 CPU-hours on 20 cores
    row = made("clean_meshes")["stages"]["clean_meshes"]
    hours = 10 / 20 / UTILISATION
    assert row == pytest.approx({"assets": 9000, "cpu_hours": 10, "hours": hours, "GB": 14.4, "cost": 6 * hours})


def test_a_later_stage_works_on_what_clean_meshes_kept() -> None:
    row = made("clean_meshes", "build_targets@sdf")["stages"]["build_targets@sdf"]
    assert (row["assets"], row["cpu_hours"], row["GB"]) == (7200, pytest.approx(8.0), pytest.approx(11.52))
    assert made("build_targets@sdf")["stages"]["build_targets@sdf"]["assets"] == 9000  # nothing is known of rejects


def test_a_download_waits_for_the_slower_of_cores_and_network() -> None:
    assert made("download")["stages"]["download"]["hours"] == pytest.approx(4.0)  # 14,400 MB at 1 MB/s
    fast = made("download", network_mb_per_s=100.0)["stages"]["download"]
    assert fast["hours"] == pytest.approx(10 / 20 / UTILISATION)


def test_the_number_of_shards_follows_from_the_tightest_limit() -> None:
    assert made("download")["num_shards"] == 80  # four a core
    assert made("download", num_cores=1)["num_shards"] == 58  # 14.4 GB, a quarter of one each
    slow = Rates(num_assets=100, num_kept=80, cpu_seconds=4000.0, num_bytes=0, machine="a Xeon")
    assert made("download", rates=slow)["num_shards"] == 200  # 100 hours of one core, half an hour each
    assert made("download", num_assets=7)["num_shards"] == 7
    assert made("download", num_assets=10**9)["num_shards"] == MAX_SHARDS


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of a checkout in which three stages were measured, two shards each."""
    for stage, seconds in (("download", 10.0), ("clean_meshes", 200.0), ("build_targets@sdf", 500.0)):
        folder = tmp_path / "runs" / stage
        folder.mkdir(parents=True)
        note = rate_log(folder / "rates.jsonl", {})
        for number in range(2):
            note(
                Measurement(
                    shard=f"shard-0000{number}",
                    key="k",
                    num_assets=50,
                    num_kept=40,
                    cpu_seconds=seconds / 2,
                    num_bytes=80_000_000,
                    machine="a Xeon, 2 cores",
                )
            )
    return tmp_path


def run(data: Path, capsys: pytest.CaptureFixture[str], **options: Any) -> str:
    plan(**{"assets": 9000, "nodes": 2, "data": data} | options)
    return capsys.readouterr().out


def test_the_table_has_a_line_a_stage_and_the_assumptions(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = run(data, capsys, cores_per_node=10, price_per_node_hour=3.0)
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}
    assert [name for name in rows if name in STAGES] == ["download", "clean_meshes", "build_targets@sdf", "all"]
    assert rows["clean_meshes"][0] == "9000" and rows["build_targets@sdf"][0] == "7200"
    assert "measured on a Xeon, 2 cores; a core of the cluster is as fast" in out
    assert "download 100, clean_meshes 100, build_targets@sdf 100" in out
    assert "80.0% of them pass clean_meshes" in out
    assert "not measured and in no sum: render_views, build_targets@" in out


STAGES = ("download", "clean_meshes", "build_targets@sdf", "all")


def test_json_has_the_sums_and_the_assumptions(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(run(data, capsys, as_json=True))
    rows = found["stages"]
    for column in ("cpu_hours", "hours", "GB", "cost"):
        assert rows["all"][column] == pytest.approx(sum(rows[name][column] for name in STAGES[:3]))
    assert found["num_shards"] == 256 and len(found["assumptions"]) == 5


def test_what_was_not_measured_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match=r"no rates were measured: --data has no runs/.*dvc repro"):
        run(tmp_path / "empty", capsys)
    with pytest.raises(DataError, match="no rates were measured"):
        made("encode_tokens@sdf")
