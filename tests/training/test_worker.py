import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from toy_training import ToyModel, computed, toy_config, toy_examples

from ltm3d.errors import DataError
from ltm3d.nn.weights import load_weights
from ltm3d.training.checkpoints import files
from ltm3d.training.config import TrainingConfig
from ltm3d.training.launch import TrainingResult, train_locally
from ltm3d.training.loop import DistContext, TrainingDiverged
from ltm3d.training.progress import read_metrics
from ltm3d.training.worker import Job, run_worker


def train_toy(run_dir: Path, config: TrainingConfig, run_key: str = "toy", **changes: object) -> TrainingResult:
    arguments = {
        "name": "toy",
        "build_model": ToyModel,
        "build_examples": toy_examples(),
        "build_validation": toy_examples(count=11),
    }
    return train_locally(run_dir=run_dir, config=config, run_key=run_key, **(arguments | changes))  # type: ignore[arg-type]


def test_a_finished_run_returns_at_once(tmp_path: Path) -> None:
    config = toy_config(num_steps=6)
    first = train_toy(tmp_path, config)
    assert first.steps == 6 and first.resumed_from is None
    assert first.num_parameters == sum(value.numel() for value in ToyModel().parameters())
    assert first.metrics["validation/loss"] > 0
    before = first.weights.stat().st_mtime_ns
    second = train_toy(tmp_path, config, build_model=lambda: pytest.fail("built again"))
    assert second == first
    assert second.weights.stat().st_mtime_ns == before


def test_weights_load_into_the_model(tmp_path: Path) -> None:
    result = train_toy(tmp_path, toy_config(num_steps=4))
    assert result.weights.parent == tmp_path
    load_weights(ToyModel(), tmp_path)
    assert load_file(result.weights)["scale"].item() == 2.0, "buffers belong to the weights"


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_an_interrupted_run_ends_as_the_undisturbed_one(tmp_path: Path, ema_decay: float) -> None:
    config = toy_config(num_steps=14, ema_decay=ema_decay)
    undisturbed = train_toy(tmp_path / "undisturbed", config)

    class Interrupted(Exception):
        pass

    def broken_model() -> ToyModel:
        model = ToyModel()
        calls = iter(range(100))
        loss = model.training_loss

        def training_loss(*arguments):  # type: ignore[no-untyped-def]
            if next(calls) == 9:
                raise Interrupted
            return loss(*arguments)

        model.training_loss = training_loss  # type: ignore[method-assign]
        return model

    with pytest.raises(Interrupted):
        train_toy(tmp_path / "run", config, build_model=broken_model)
    resumed = train_toy(tmp_path / "run", config)
    assert resumed.resumed_from == 5
    mine, other = load_file(resumed.weights), load_file(undisturbed.weights)
    assert all(torch.equal(mine[name], other[name]) for name in other)
    rows = [read_metrics(path.weights.parent) for path in (resumed, undisturbed)]
    assert computed(rows[0]) == computed(rows[1])


def test_the_average_is_what_is_exported(tmp_path: Path) -> None:
    plain = load_file(train_toy(tmp_path / "plain", toy_config(num_steps=6)).weights)
    averaged = load_file(train_toy(tmp_path / "averaged", toy_config(num_steps=6, ema_decay=0.9)).weights)
    assert not torch.equal(plain["head.weight"], averaged["head.weight"])
    assert torch.allclose(plain["head.weight"], averaged["head.weight"], atol=0.1)


@pytest.mark.parametrize("change", ["settings", "key"])
def test_changed_settings_or_data_start_afresh(tmp_path: Path, change: str) -> None:
    config = toy_config(num_steps=6)
    first = load_file(train_toy(tmp_path, config).weights)
    new_config = replace(config, learning_rate=1e-3) if change == "settings" else config
    new = {"run_key": "changed", "build_examples": toy_examples(count=17)} if change == "key" else {}
    result = train_toy(tmp_path, new_config, **new)  # type: ignore[arg-type]
    assert result.resumed_from is None
    assert not torch.equal(load_file(result.weights)["head.weight"], first["head.weight"])
    assert [row["step"] for row in read_metrics(tmp_path)] == [2, 4, 5, 6]


def test_old_checkpoints_are_removed(tmp_path: Path) -> None:
    train_toy(tmp_path, toy_config(num_steps=20, keep_checkpoints=2))
    kept = files.committed(files.checkpoint_folder(tmp_path, "toy"))
    assert [each.step for each in kept][-2:] == [15, 20]
    best = files.best_of(kept)
    assert [each.step for each in kept][:-2] in ([], [best and best.step])


def test_training_goes_on_from_given_weights_and_is_another_run(tmp_path: Path) -> None:
    first = train_toy(tmp_path / "first", toy_config(num_steps=30))
    gentle = toy_config(num_steps=1, learning_rate=1e-12)
    start = first.weights.parent
    warm = train_toy(tmp_path / "run", replace(gentle, warm_start=str(start)))
    assert warm.metrics["validation/loss"] == pytest.approx(first.metrics["validation/loss"], rel=1e-5)
    moved = start.rename(tmp_path / "moved")
    assert train_toy(tmp_path / "run", replace(gentle, warm_start=str(moved))) == warm, "it is the content that counts"
    cold = train_toy(tmp_path / "run", gentle)
    assert cold.metrics["validation/loss"] > 1.5 * warm.metrics["validation/loss"]


def test_the_count_of_skipped_steps_survives_an_interruption(tmp_path: Path) -> None:
    config = toy_config(num_steps=12, max_skipped_steps=9)
    whole = train_toy(tmp_path, config, build_examples=toy_examples(broken=7))
    last = files.committed(files.checkpoint_folder(tmp_path, "toy"))[-1].folder
    (last / files.COMMIT_FILE).unlink()
    (tmp_path / files.RESULT_FILE).unlink()
    again = train_toy(tmp_path, config, build_examples=toy_examples(broken=7))
    assert again.resumed_from == 10
    assert again.metrics["train/skipped_steps"] == whole.metrics["train/skipped_steps"] == 3


def test_an_empty_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="training set is empty"):
        train_toy(tmp_path, toy_config(), build_examples=toy_examples(count=0))
    with pytest.raises(DataError, match="validation set is empty"):
        train_toy(tmp_path, toy_config(), build_validation=toy_examples(count=0))


def test_divergence_is_told_once_and_can_be_mended(tmp_path: Path) -> None:
    config = toy_config(num_steps=20, log_every=1)
    with pytest.raises(TrainingDiverged, match="the loss is inf at step"):
        train_toy(tmp_path, config, build_examples=toy_examples(broken=7))
    assert train_toy(tmp_path, config).steps == 20


def test_workers_restarted_after_a_final_error_do_nothing(tmp_path: Path) -> None:
    (tmp_path / files.FAILURE_FILE).write_text(json.dumps({"type": "DataError", "message": "no"}))
    job = Job(
        name="toy",
        build_model=lambda: pytest.fail("started"),
        build_examples=lambda: pytest.fail("started"),
        build_validation=None,
        config=toy_config(),
        run_dir=tmp_path,
        working_directory=tmp_path,
        num_threads=1,
    )
    run_worker(job, DistContext())
