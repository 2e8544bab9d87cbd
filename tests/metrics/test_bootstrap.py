import numpy as np
import pytest

from ltm3d.metrics.bootstrap import bootstrap_change, bootstrap_interval


def test_interval_is_that_of_the_normal_approximation() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    interval = bootstrap_interval(values, seed=1)
    error = values.std() / np.sqrt(400)
    assert interval.mean == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert interval.high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(2)
    hits = [low <= 0 <= high for _, low, high in (bootstrap_interval(rng.normal(size=60), seed=i) for i in range(200))]
    assert 0.88 <= np.mean(hits) <= 0.99


def test_same_seed_same_interval_and_one_value_has_no_width() -> None:
    values = [1.0, 2.0, 4.0]
    assert bootstrap_interval(values, seed=5) == bootstrap_interval(values, seed=5)
    assert bootstrap_interval([0.25], seed=0) == (0.25, 0.25, 0.25)


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_failed_assets_must_not_be_averaged(values: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        bootstrap_interval(values, seed=0)


def test_a_change_counts_the_spread_of_trainings_and_pairs_the_assets() -> None:
    rng = np.random.default_rng(0)
    assets, trainings = 5 * rng.standard_normal(400), 0.3 * rng.standard_normal((40, 1))
    values, reference = assets + trainings + 1, assets + np.zeros((1, 1))
    interval = bootstrap_change(values, reference, seed=0)
    error = float(trainings.std()) / 40**0.5
    assert interval.mean == pytest.approx(1 + float(trainings.mean()))
    assert (interval.high - interval.low) / 2 == pytest.approx(1.96 * error, rel=0.1)
    alone = bootstrap_change(values[:1], reference, seed=0)
    assert alone.low == pytest.approx(alone.high)  # the assets are paired
