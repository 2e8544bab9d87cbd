"""`ltm3d plan` against figures worked out by hand."""

import dataclasses
import json
from pathlib import Path

import pytest

from ltm3d.cli.plan import plan
from ltm3d.cli.plan_data import Cluster, estimate, recommend_shards
from ltm3d.errors import ConfigError, DataError
from ltm3d.shards.manifest import MAX_SHARDS
from ltm3d.shards.rates import Measurement, Rates, rate_log

CLUSTER = Cluster(
    nodes=2,
    cores_per_node=10,
    utilisation=0.5,
    network_mb_per_s=1.0,
    price_per_node_hour=3.0,
    storage_price=0.5,
    months=2.0,
)
# 4 CPU-s an asset taken on, 2 MB an asset kept
RATES = Rates(num_assets=100, num_kept=80, cpu_seconds=400.0, num_bytes=160_000_000, machines=("a Xeon, 2 cores",))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of a checkout in which three stages were measured, two shards each."""
    for stage, seconds in (("download", 10.0), ("clean_meshes", 200.0), ("build_targets@sdf", 500.0)):
        folder = tmp_path / "runs" / stage
        folder.mkdir(parents=True)
        shards = [
            Measurement(
                shard=f"shard-0000{number}",
                key="k",
                num_assets=50,
                num_kept=40,
                cpu_seconds=seconds / 2,
                num_bytes=80_000_000,
                machine="a Xeon, 2 cores",
            )
            for number in range(2)
        ]
        with rate_log(folder / "rates.jsonl", {shard.shard: "k" for shard in shards}) as note:
            for shard in shards:
                note(shard)
    return tmp_path


def scaled(name: str, **changes: float) -> dict[str, float]:
    cluster = dataclasses.replace(CLUSTER, **changes)
    row = estimate(name, RATES, num_assets=9000, reject_fraction=0.2, cluster=cluster)
    return {key: round(value, 9) for key, value in dataclasses.asdict(row).items() if key != "target"}


def test_a_stage_on_all_assets_scales_as_worked_out_by_hand() -> None:
    # 9,000 x 4 s = 10 CPU-hours on 20 cores, half used: 1 hour; 7,200 x 2 MB; 1 h x 2 nodes x 3 + 14.4 GB x 0.5 x 2
    assert scaled("clean_meshes") == {
        "num_assets": 9000,
        "cpu_seconds_per_asset": 4.0,
        "cpu_hours": 10.0,
        "hours": 1.0,
        "gigabytes": 14.4,
        "cost": 6.0 + 14.4,
    }


def test_a_later_stage_works_on_what_is_kept() -> None:
    row = scaled("build_targets@sdf", months=0.0)
    assert (row["num_assets"], row["cpu_hours"], row["hours"]) == (7200, 8.0, 0.8)
    assert row["cost"] == 4.8


def test_a_download_waits_for_the_slower_of_cores_and_network() -> None:
    assert scaled("download")["gigabytes"] == 18.0
    assert scaled("download")["hours"] == 5.0  # 18,000 MB at 1 MB/s
    assert scaled("download", network_mb_per_s=100.0)["hours"] == 1.0


def test_the_number_of_shards_follows_from_the_tightest_limit() -> None:
    row = estimate("clean_meshes", RATES, num_assets=9000, reject_fraction=0.2, cluster=CLUSTER)

    def shards(shard_mb: float = 1000.0, num_assets: int = 9000, **changes: float) -> tuple[int, str]:
        changed = dataclasses.replace(row, **changes)
        return recommend_shards([changed], num_assets=num_assets, cluster=CLUSTER, shard_mb=shard_mb)

    assert shards() == (80, "4 shards a core")
    assert shards(shard_mb=100.0) == (144, "no shard above 100 MB")  # 14,400 MB
    assert shards(cpu_hours=100.0) == (200, "no shard above 30 minutes of one core")
    assert shards(num_assets=7) == (7, "one asset a shard")
    assert shards(gigabytes=1e9, num_assets=10**9) == (MAX_SHARDS, "the largest number of shards")


def run(data: Path, capsys: pytest.CaptureFixture[str], **options: object) -> str:
    plan(**{"assets": 9000, "nodes": 2, "data": data} | options)  # type: ignore[arg-type]
    return capsys.readouterr().out


def test_the_table_has_a_line_a_target_and_the_assumptions(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = run(data, capsys, cores_per_node=10, utilisation=0.5, reject_fraction=0.2, price_per_node_hour=0.0, months=0)
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["download", "clean_meshes", "build_targets@sdf", "all"]
    # 9,000 x 2 s = 5 CPU-hours on 10 cores; 7,200 x 5 s = 10; 18 GB at 1,000 MB/s = 18 s < 9,000 x 0.1 s / 10 = 90 s
    assert lines[2].split() == ["clean_meshes", "9,000", "2", "5.0", "0.50", "14.4", "80", "180", "0.00"]
    assert lines[3].split() == ["build_targets@sdf", "7,200", "5", "10.0", "1.00", "14.4", "80", "180", "0.00"]
    assert lines[4].split() == ["all", "9,000", "7.1", "15.2", "1.52", "46.8", "0.00"]
    assert "measured on a Xeon, 2 cores; a core of the cluster is as fast" in out
    assert "download 100, clean_meshes 100, build_targets@sdf 100" in out
    assert "clean_meshes rejects 20.0%" in out and "an asset's own files are 2 MB" in out
    assert "download.num_shards = 80, about 112 assets a shard: 4 shards a core" in out
    assert "not measured and in no sum: build_targets@" in out and "render_views" in out


def test_json_holds_the_rates_and_gives_the_same_plan_elsewhere(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = run(data, capsys, as_json=True)
    assert set(json.loads(first)["rates"]) == {"download", "clean_meshes", "build_targets@sdf"}
    assert json.loads(first)["total"]["gigabytes"] == pytest.approx(
        sum(r["gigabytes"] for r in json.loads(first)["targets"])
    )
    path = tmp_path / "plan.json"
    path.write_text(first)
    assert run(tmp_path / "absent", capsys, as_json=True, rates=path) == first


def test_one_target_is_planned_alone(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = run(data, capsys, target=["build_targets@sdf"])
    assert [line.split()[0] for line in out.splitlines()[1:3]] == ["build_targets@sdf", "all"]
    assert "in no sum" not in out


def test_what_was_not_measured_is_refused(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(
        DataError, match=r"no rates were measured: .*runs has no .*dvc repro.*or give --rates"
    ) as caught:
        run(tmp_path / "empty", capsys)
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"build_targets@mesh was not measured, only build_targets@sdf, clean_meshes"):
        run(data, capsys, target=["build_targets@mesh"])
    with pytest.raises(DataError, match=r"none\.json cannot be read .*--json"):
        run(data, capsys, rates=tmp_path / "none.json")
    (tmp_path / "odd.json").write_text('{"rates": {"download": {"speed": 1}}}')
    with pytest.raises(DataError, match=r"odd\.json cannot be read"):
        run(data, capsys, rates=tmp_path / "odd.json")
