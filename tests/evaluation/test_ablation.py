"""The ablation table on metrics whose means and differences are known."""

import pytest

from ltm3d.evaluation.ablation import AblationRun, ablation_rows, to_markdown

UIDS = [f"asset-{index}" for index in range(40)]


def run(variant: str, seed: int, offset: float, **baselines: float) -> AblationRun:
    """Asset i has the metric i / 100 + offset in each seed, give or take the seed."""
    tilt = 0.001 * (seed - 1)
    metrics = {"generated/image": {uid: index / 100 + offset + tilt for index, uid in enumerate(UIDS)}}
    metrics |= {key: dict.fromkeys(UIDS, value) for key, value in baselines.items()}
    return AblationRun(
        variant=variant, seed=seed, by_asset={key: {"chamfer_l1": each} for key, each in metrics.items()}, cost={}
    )


def rows_by_name(runs: list[AblationRun]) -> dict[str, dict]:
    return {row["name"]: row for row in ablation_rows(runs, prompts=("image", "text"))}


def test_a_paired_difference_is_sharp_where_the_means_are_not() -> None:
    runs = [run("full", seed, 0.0) for seed in range(3)] + [run("worse", seed, 0.01) for seed in range(3)]
    rows = rows_by_name(runs)
    assert rows["full"]["mean"] == pytest.approx(0.195)
    assert rows["worse"]["mean"] == pytest.approx(0.205)
    assert rows["worse"]["low"] < rows["full"]["high"]  # assets differ by far more than the methods
    assert rows["worse"]["change"] == pytest.approx(0.01)
    # of assets nothing is left, of the seeds two means of three trainings with a spread of 0.001 · √(2/3) each
    for end in ("change_low", "change_high"):
        assert abs(rows["worse"][end] - 0.01) == pytest.approx(1.96 * 0.001 * (2 / 3 / 3 * 2) ** 0.5, rel=0.25)
    assert "change" not in rows["full"]
    assert rows["full"]["seed_std"] == pytest.approx(0.001)


def test_what_is_not_there_yet_is_left_out_and_one_seed_has_no_spread() -> None:
    rows = rows_by_name([run("full", 0, 0.0), run("worse", 2, 0.01)])
    assert rows["full"]["num_seeds"] == 1 and rows["full"]["seed_std"] is None
    assert rows["worse"]["change"] == pytest.approx(0.012) and "change_low" not in rows["worse"]
    assert {row["prompt"] for row in rows.values()} == {"image"}
    assert ablation_rows([], prompts=("image",)) == []


def test_baselines_come_from_the_full_run_and_the_table_has_a_line_for_each() -> None:
    baselines = {"retrieval/image": 0.1, "ltr/image": 0.2, "round_trip/none": 0.05}
    rows = ablation_rows([run("full", 0, 0.0, **baselines), run("worse", 0, 0.01)], prompts=("image", "text"))
    assert {row["name"] for row in rows} == {"full", "worse", "retrieval", "ltr", "round_trip"}
    lines = to_markdown(rows).splitlines()
    assert len(lines) == 2 + 5 and all(line.count("|") == lines[0].count("|") for line in lines)
    # the full method's mean of seed 0 is 0.195 - 0.001
    assert "| retrieval | 1 | 0.1000 [0.1000, 0.1000] | -0.0940" in lines[4]
    assert lines[3].endswith("| +0.0100, one training |")
    assert "| round trip | 1 | 0.0500 [0.0500, 0.0500] | – |" in lines[6]


def test_runs_on_other_assets_are_not_compared() -> None:
    other = run("other", 0, 0.0)
    metrics = {"generated/image": {"chamfer_l1": {"elsewhere": 0.3}}}
    rows = rows_by_name([run("full", 0, 0.0), AblationRun(variant="other", seed=0, by_asset=metrics, cost=other.cost)])
    assert "change" not in rows["other"]
