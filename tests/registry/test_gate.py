from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import yaml
from imports import REPOSITORY

from ltm3d.errors import ConfigError
from ltm3d.registry.gate import GateBound, GateConfig, GateDecision, GateEntry, GateMetric, decide
from ltm3d.settings import convert

CHAMFER = GateMetric(name="cd", better="lower")
GATE = GateConfig(
    chosen=CHAMFER,
    guarded=(GateMetric(name="iou", better="higher", tolerance=0.05), GateMetric(name="seconds", better="lower")),
    required=(GateBound(name="cd", below="mean_cd"), GateBound(name="recall", above=0.5)),
)
GOOD = {"cd": 0.05, "mean_cd": 0.2, "iou": 0.6, "seconds": 1.0, "recall": 0.9}


def entry(
    *,
    smoke_failure: str | None = None,
    values: np.ndarray | None = None,
    protocol: str = "eval/v1",
    **changes: float | None,
) -> GateEntry:
    metrics = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    per_asset = {} if values is None else {"cd": {f"a{index}": float(value) for index, value in enumerate(values)}}
    return GateEntry(
        label="model",
        metrics=metrics,
        per_asset=per_asset,
        protocol=protocol,
        test_set="t",
        smoke_failure=smoke_failure,
    )


def failed_checks(decision: GateDecision) -> list[str]:
    return [row.check for row in decision.table if not row.passed]


def test_a_first_model_passes_on_a_prediction_and_its_required_metrics() -> None:
    assert decide(entry(), None, GATE).passed
    assert failed_checks(decide(entry(smoke_failure="no surface"), None, GATE)) == ["answers a prompt"]
    assert failed_checks(decide(entry(cd=0.3), None, GATE)) == ["cd < mean_cd"]
    assert failed_checks(decide(entry(recall=0.5), None, GATE)) == ["recall > 0.5"]


@pytest.mark.parametrize("missing", ["cd", "mean_cd", "recall"])
@pytest.mark.parametrize("value", [None, float("nan")])
def test_a_required_metric_that_is_missing_or_not_a_number_fails(missing: str, value: float | None) -> None:
    decision = decide(entry(**{missing: value}), None, GATE)
    assert not decision.passed
    assert missing in " ".join(decision.reasons)


def test_a_guarded_metric_may_be_worse_within_its_tolerance_only() -> None:
    assert decide(entry(cd=0.04, iou=0.571), entry(), GATE).passed
    assert failed_checks(decide(entry(cd=0.04, iou=0.569), entry(), GATE)) == ["iou no worse"]
    assert failed_checks(decide(entry(cd=0.04, seconds=1.01), entry(), GATE)) == ["seconds no worse"]
    assert failed_checks(decide(entry(cd=0.04, seconds=None), entry(), GATE)) == ["seconds no worse"]


def test_without_values_an_asset_the_means_decide() -> None:
    assert decide(entry(cd=0.049), entry(), GATE).passed
    assert failed_checks(decide(entry(), entry(), GATE)) == ["cd better"]
    assert failed_checks(decide(entry(cd=0.051), entry(), GATE)) == ["cd better"]


def test_the_paired_bootstrap_sees_a_small_gain_on_every_asset_and_not_one_lucky_asset() -> None:
    rng = np.random.default_rng(0)
    base = rng.uniform(0.02, 0.3, size=40)  # assets differ far more than models do
    champion = entry(values=base, cd=float(base.mean()))
    everywhere = base * 0.97
    assert decide(entry(values=everywhere, cd=float(everywhere.mean())), champion, GATE).passed
    lucky = base + rng.normal(0, 0.02, size=40)
    lucky[int(base.argmax())] -= 0.25
    lucky += base.mean() * 0.98 - lucky.mean()  # a better mean, from one asset
    decision = decide(entry(values=lucky, cd=float(lucky.mean())), champion, GATE)
    assert lucky.mean() < base.mean()
    assert failed_checks(decision) == ["cd better"]
    assert "40 assets" in decision.reasons[0]


def test_models_that_were_not_measured_alike_are_not_compared() -> None:
    decision = decide(entry(cd=0.01, protocol="eval/v2"), entry(), GATE)
    assert not decision.passed and "eval/v2" in decision.reasons[0]
    other_assets = decide(entry(cd=0.01, values=np.full(4, 0.01)), entry(values=np.full(5, 0.05)), GATE)
    assert not other_assets.passed and "1 assets" in other_assets.reasons[0]


def test_the_table_shows_each_check_with_its_limit() -> None:
    lines = decide(entry(cd=0.04, iou=0.1), entry(), GATE).to_table().splitlines()
    (line,) = (line for line in lines if line.startswith("iou"))
    assert line.split()[3:6] == ["0.1", "0.57", "FAILS"]


def test_the_rule_is_built_from_plain_settings_and_checked() -> None:
    settings = {
        "chosen": {"name": "cd", "better": "lower"},
        "required": [{"name": "cd", "below": "mean_cd"}, {"name": "recall", "above": 0.5}],
    }
    assert convert(settings, GateConfig, "promotion.sdf") == GateConfig(chosen=CHAMFER, required=GATE.required)
    for wrong in ({"better": "smaller"}, {"better": "lower", "tolerance": -1.0}):
        with pytest.raises(ConfigError):
            GateMetric(name="cd", **wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        GateBound(name="cd")
    with pytest.raises(ConfigError):
        GateConfig(chosen=CHAMFER, confidence=1.0)


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({"source_failure": "changes no commit has"}, ["made of committed code"]),
        ({"signature_failure": "no longer takes text"}, ["signature"]),
        ({"size_mb": 10.1}, ["megabytes"]),
        ({"size_mb": None}, ["megabytes"]),
        ({"seconds": 2.1}, ["seconds a shape"]),
        ({"seconds": float("nan")}, ["seconds a shape"]),
        ({"size_mb": 10.0, "seconds": 2.0}, []),
    ],
)
def test_a_model_must_be_restorable_usable_small_and_fast(changes: dict[str, Any], failed: list[str]) -> None:
    gate = replace(GATE, max_size_mb=10.0, max_seconds=2.0)
    challenger = replace(replace(entry(), size_mb=1.0, seconds=1.0), **changes)
    assert failed_checks(decide(challenger, None, gate)) == failed
    assert decide(challenger, None, GATE).passed == (failed != ["made of committed code"] and failed != ["signature"])
    assert decide(replace(entry(), source_failure="dirty"), None, replace(GATE, needs_clean_tree=False)).passed


def test_other_true_shapes_are_another_test() -> None:
    ours, theirs = replace(entry(cd=0.04), references="a"), replace(entry(), references="b")
    assert failed_checks(decide(ours, theirs, GATE)) == ["same test"]


@pytest.mark.parametrize("name", ["sdf", "point_cloud", "mesh", "gaussians"])
def test_the_rules_in_conf_ask_for_what_their_evaluation_measures(name: str) -> None:
    """`evaluate_generator` gives a volume for distance fields only, and normals for what has some."""
    settings = yaml.safe_load((REPOSITORY / "conf" / "promotion" / f"{name}.yaml").read_text())
    gate = convert(settings, GateConfig, name)
    asked = {metric.name.rpartition("/")[2] for metric in (gate.chosen, *gate.guarded)}
    measured = {"chamfer_l1", "f_score_at_0.05", "num_failures"}
    measured |= {"sdf": {"volume_iou"}, "mesh": {"normal_consistency"}}.get(name, set())
    assert asked == measured and gate.needs_clean_tree and gate.max_size_mb and gate.max_seconds


def test_a_new_test_set_is_passed_over_where_it_is_asked_for() -> None:
    challenger, champion = replace(entry(cd=0.1), test_set="new"), entry()
    refused = decide(challenger, champion, GATE)
    assert not refused.passed and "or add --new-test-set" in refused.reasons[0]
    passed = decide(challenger, champion, GATE, new_test_set=True)
    assert passed.passed and "not asked for: test_set is new, the champion's is t" in passed.reasons[0]
    same = decide(entry(cd=0.1), champion, GATE, new_test_set=True)
    assert not same.passed, "the same test is compared all the same"
