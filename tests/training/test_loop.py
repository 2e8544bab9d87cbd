import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor
from toy_training import ToyExamples, ToyModel, computed, toy_config

from ltm3d.nn.randomness import StepRandom
from ltm3d.training.config import TrainingConfig, learning_rate_at
from ltm3d.training.data import batch_indices
from ltm3d.training.ema import ParameterAverage
from ltm3d.training.engine import TorchEngine
from ltm3d.training.layout import Whole
from ltm3d.training.loop import OF_THE_MACHINE, Callbacks, DistContext, Metrics, TrainingDiverged, run_steps, validate

CPU = torch.device("cpu")


def make_engine(config: TrainingConfig, model: torch.nn.Module | None = None) -> TorchEngine:
    torch.manual_seed(0)
    return TorchEngine(model or ToyModel(), config, world_size=1, device=CPU)


def run(
    config: TrainingConfig, examples: ToyExamples, validation: ToyExamples | None = None, **others: object
) -> tuple[list[tuple[int, Metrics]], list[int]]:
    """Run to the end; return the metrics and the steps of the checkpoints."""
    rows: list[tuple[int, Metrics]] = []
    saved: list[int] = []
    run_steps(
        make_engine(config),
        examples,
        validation,
        config=config,
        context=DistContext(),
        average=None,
        first_step=0,
        callbacks=Callbacks(metrics=lambda step, row: rows.append((step, row)), checkpoint=saved.append),
    )
    return rows, saved


def test_the_loss_falls_and_everything_is_measured_on_schedule() -> None:
    config = toy_config(num_steps=61, checkpoint_every=25, log_every=10, validate_every=30, warmup_steps=2)
    rows, saved = run(config, ToyExamples(40), ToyExamples(11))
    assert saved == [25, 50, 61]
    assert [step for step, _ in rows] == [10, 20, 25, 30, 40, 50, 60, 61]
    assert [step for step, row in rows if "validation/loss" in row] == [30, 60, 61]
    metrics = {"loss", "absolute_error", "ratio", "grad_norm", "learning_rate", "skipped_steps"}
    assert set(rows[0][1]) == {f"train/{name}" for name in metrics} | {*OF_THE_MACHINE[:3]}
    assert rows[3][1]["train/learning_rate"] == learning_rate_at(config, 29)
    assert rows[-2][1]["train/loss"] < 0.5 * rows[0][1]["train/loss"]


def test_metrics_are_means_over_the_steps_since_the_last() -> None:
    examples = ToyExamples(40)
    each, _ = run(toy_config(num_steps=6, log_every=1), examples)
    together, _ = run(toy_config(num_steps=6, log_every=3, checkpoint_every=6), examples)
    mean = sum(row["train/loss"] for _, row in each[:3]) / 3
    assert together[0][1]["train/loss"] == pytest.approx(mean)


def test_validation_is_the_mean_over_all_examples_and_the_same_each_time() -> None:
    config = toy_config(global_batch_size=4)
    engine = make_engine(config)
    check = partial(validate, engine, config=config, context=DistContext())
    first = check(ToyExamples(11))
    assert check(ToyExamples(11)) == first
    assert engine.model.training
    in_parts = validate(
        engine, ToyExamples(11), config=toy_config(global_batch_size=4, micro_batch_size=1), context=DistContext()
    )
    assert in_parts == {name: pytest.approx(value, rel=1e-5) for name, value in first.items()}


def test_each_validation_example_counts_once() -> None:
    class Index(ToyModel):
        def training_loss(self, batch: dict[str, Tensor], random: StepRandom) -> tuple[Tensor, dict[str, Tensor]]:
            return batch["index"].float().mean() + 0 * self.head.bias.sum(), {}

    config = toy_config(global_batch_size=4)
    metrics = validate(make_engine(config, Index()), ToyExamples(11), config=config, context=DistContext())
    assert metrics == {"validation/loss": pytest.approx(5.0)}  # mean of 0 … 10


def test_a_loss_that_is_not_finite_names_step_and_examples() -> None:
    config = toy_config(num_steps=10, global_batch_size=4, log_every=10, checkpoint_every=10)
    healthy, _ = run(config, ToyExamples(10))
    assert healthy
    saved: list[int] = []
    with pytest.raises(TrainingDiverged) as caught:
        run_steps(
            make_engine(config),
            ToyExamples(10, broken=7),
            None,
            config=config,
            context=DistContext(),
            average=None,
            first_step=0,
            callbacks=Callbacks(metrics=lambda step, row: None, checkpoint=saved.append),
        )
    step = next(s for s in range(10) if 7 in batch_indices(range(4), seed=3, step=s, batch_size=4, size=10))
    indices = batch_indices(range(4), seed=3, step=step, batch_size=4, size=10)
    assert f"the loss is inf at step {step}, on examples {', '.join(map(str, indices))}:" in str(caught.value)
    assert saved == [], "a checkpoint of broken weights"


@pytest.mark.parametrize("log_every", [1, 10])
def test_steps_that_are_not_finite_are_skipped_and_counted_until_they_are_too_many(
    log_every: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Of 10 examples in batches of 4 each comes every two or three steps."""
    steps = [s for s in range(12) if 7 in batch_indices(range(4), seed=3, step=s, batch_size=4, size=10)]
    config = toy_config(
        num_steps=12, global_batch_size=4, log_every=log_every, checkpoint_every=12, max_skipped_steps=len(steps)
    )
    rows, saved = run(config, ToyExamples(10, broken=7))
    assert rows[-1][1]["train/skipped_steps"] == len(steps) and saved == [12]
    assert [step for step in range(12) if f"at step {step}, on examples" in caplog.text] == steps
    assert all(math.isfinite(value) for _, row in rows for value in row.values())
    if log_every == 1:
        assert [step - 1 for step, row in rows if "train/loss" not in row] == steps
    with pytest.raises(TrainingDiverged, match="with this step 3 were skipped, max_skipped_steps is 2") as caught:
        run(replace(config, max_skipped_steps=2), ToyExamples(10, broken=7))
    assert f"the loss is inf at step {steps[2]}, on examples" in str(caught.value)


def test_skipped_steps_of_before_count() -> None:
    config = toy_config(num_steps=4, global_batch_size=4, max_skipped_steps=5)
    with pytest.raises(TrainingDiverged, match="with this step 6 were skipped"):
        run_steps(
            make_engine(config),
            ToyExamples(4, broken=2),
            None,
            config=config,
            context=DistContext(),
            average=None,
            first_step=0,
            num_skipped=4,
            callbacks=Callbacks(metrics=lambda step, row: None, checkpoint=lambda step: None),
        )


def test_utilisation_is_the_share_of_the_peak_and_is_never_guessed() -> None:
    config = toy_config(num_steps=2)

    def metrics(peak: float | None, flops: float | None) -> Metrics:
        rows: list[Metrics] = []
        run_steps(
            make_engine(config),
            ToyExamples(10),
            None,
            config=config,
            context=DistContext(peak_tflops=peak),
            average=None,
            first_step=0,
            callbacks=Callbacks(metrics=lambda step, row: rows.append(row), checkpoint=lambda step: None),
            flops_per_sample=flops,
        )
        return rows[-1]

    row = metrics(0.5, 3e9)
    assert row["train/flop_utilisation"] == pytest.approx(row["train/samples_per_second"] * 3e9 / 0.5e12)
    assert "train/flop_utilisation" not in metrics(None, 3e9)
    assert "train/flop_utilisation" not in metrics(0.5, None)


def test_waiting_and_memory_are_measured() -> None:
    rows, _ = run(toy_config(num_steps=2, prefetch=0), ToyExamples(10, delay=0.01))
    row = rows[-1][1]
    assert 0.5 < row["train/data_wait_share"] <= 1, "reading takes 80 ms of a step, the model a few"
    assert 0.05 < row["train/memory_gib"] < 64


@pytest.mark.parametrize("prefetch", [0, 1, 5])
def test_reading_ahead_changes_nothing_that_is_computed(prefetch: int) -> None:
    examples = ToyExamples(40)
    mine, _ = run(toy_config(num_steps=6, micro_batch_size=2, prefetch=prefetch), examples, ToyExamples(11))
    theirs, _ = run(toy_config(num_steps=6, micro_batch_size=2, prefetch=3), examples, ToyExamples(11))
    assert computed([row for _, row in mine]) == computed([row for _, row in theirs])


def test_examples_are_named_by_their_uids_where_they_have_some() -> None:
    from ltm3d.training.data import example_names

    class Named(ToyExamples):
        uids = [f"chair-{index}" for index in range(10)]  # noqa: RUF012

    assert example_names(Named(10), [7, 2]) == ["chair-7", "chair-2"]
    assert example_names(ToyExamples(10), [7, 2]) == ["7", "2"]


def test_a_gradient_that_is_not_finite_stops_the_run() -> None:
    class Broken(ToyModel):
        def training_loss(self, batch: dict[str, Tensor], random: StepRandom) -> tuple[Tensor, dict[str, Tensor]]:
            loss, terms = super().training_loss(batch, random)
            return loss + (self.head.bias * 0).sqrt().sum(), terms  # value 0, gradient 0 x inf

    config = toy_config(num_steps=4)
    with pytest.raises(TrainingDiverged, match="the gradient is nan at step 0"):
        run_steps(
            make_engine(config, Broken()),
            ToyExamples(10),
            None,
            config=config,
            context=DistContext(),
            average=None,
            first_step=0,
            callbacks=Callbacks(metrics=lambda step, row: None, checkpoint=lambda step: None),
        )


def test_the_average_is_what_is_validated() -> None:
    config = toy_config(num_steps=8, validate_every=8)
    engine = make_engine(config)
    average = ParameterAverage(Whole(engine.model), decay=0.9)
    rows: list[Metrics] = []
    run_steps(
        engine,
        ToyExamples(40),
        ToyExamples(11),
        config=config,
        context=DistContext(),
        average=average,
        first_step=0,
        callbacks=Callbacks(metrics=lambda step, row: rows.append(row), checkpoint=lambda step: None),
    )
    own = validate(engine, ToyExamples(11), config=config, context=DistContext())
    with average.applied():
        averaged = validate(engine, ToyExamples(11), config=config, context=DistContext())
    assert rows[-1]["validation/loss"] == averaged["validation/loss"] != own["validation/loss"]
