"""What the four training stages share: where a run's state is, its curve for `dvc plots`, its metrics for MLflow."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from ltm3d.nn.weights import PROVENANCE_FILE
from ltm3d.registry.registration import BUNDLE_FILE, resolve_model
from ltm3d.training.checkpoints.files import RUN_FILE, read_json
from ltm3d.training.config import TrainingConfig
from ltm3d.training.data import ExampleSet
from ltm3d.training.interruption import stopped_line
from ltm3d.training.launch import TrainingResult, train
from pipelines._interrupt import say_where
from pipelines._stage import Stage, read_resources


def run_training(
    stage: Stage,
    *,
    config: TrainingConfig,
    run_key: str,
    build_model: Callable[[], nn.Module],
    build_examples: Callable[[], ExampleSet],
    build_validation: Callable[[], ExampleSet],
    flops_per_sample: float | None = None,
) -> TrainingResult:
    """Train with Ray Train and DeepSpeed, resuming what was begun with the same key, and write the loss curve.

    Args:
        run_key: identity of all that is not in `config`: model settings and the data's digests.
        flops_per_sample: operations of one sample in one step, where they are known.
    """
    if config.warm_start is not None:
        part, (_, tracking_uri) = stage.name.removeprefix("train_"), read_resources(stage.params)
        config = replace(config, warm_start=str(find_weights(config.warm_start, part, tracking_uri)))
    label = stage.name if stage.item is None else f"{stage.name}_{stage.item}"
    say_where(partial(stopped_line, label, stage.state_dir.absolute()))
    stage.start_ray()
    result = train(
        name=label,
        build_model=build_model,
        build_examples=build_examples,
        build_validation=build_validation,
        config=config,
        resources=stage.resources,
        run_dir=stage.state_dir.absolute(),
        on_metrics=lambda step, metrics: stage.tracker.log_metrics(metrics, step=step),
        run_key=run_key,
        code=replace(stage.code, provenance={**stage.code.provenance, "seed": config.seed}),
        flops_per_sample=flops_per_sample,
    )
    say_where(lambda: f"{label}: stopped after its {result.steps} steps; the next run goes on from there")
    write_curve(stage.state_dir / "metrics.jsonl", stage.data / "plots" / f"{label}.json")
    return result


def keep_provenance(stage: Stage, model: Path) -> None:
    """Write beside a trained model what its run was made of: the run's own folder stays on this machine."""
    made = read_json(stage.state_dir / RUN_FILE).get("provenance", [])
    (model / PROVENANCE_FILE).write_text(json.dumps(made, indent=2, sort_keys=True) + "\n")


def find_weights(warm_start: str, part: str, tracking_uri: str) -> Path:
    """Return the model folder that a training starts from.

    Args:
        warm_start: that folder, or a bundle's, or `models:/NAME@ALIAS`, or `models:/NAME/VERSION`.
        part: the model of a bundle that is meant, e.g. `generator`.

    Raises:
        ModelError: there is no such registered model.
    """
    folder = resolve_model(warm_start, tracking_uri) if warm_start.startswith("models:") else Path(warm_start)
    return (folder / part if (folder / BUNDLE_FILE).is_file() else folder).absolute()


def write_curve(metrics: Path, output: Path) -> None:
    """Write the loss over the steps."""
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    curve = [{"step": row["step"], "loss": row["train/loss"]} for row in rows if "train/loss" in row]
    write_rows(curve, output)


def write_rows(rows: Sequence[Mapping[str, Any]], output: Path) -> None:
    """Write a list of rows, the form that `dvc plots` reads."""
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(rows, indent=1) + "\n")
