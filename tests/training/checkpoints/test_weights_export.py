from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from toy_training import ToyModel, toy_config

from ltm3d.errors import ConfigError, ModelError
from ltm3d.training.checkpoints.files import BEST_FILE, UNAVERAGED_FILE
from ltm3d.training.checkpoints.weights_export import WeightsExport, start_from, start_key
from ltm3d.training.config import TrainingConfig
from ltm3d.training.ema import ParameterAverage
from ltm3d.training.engine import TorchEngine


def make_export(
    folder: Path, config: TrainingConfig, *, averages: bool = False, validates: bool = True, writes: bool = True
) -> WeightsExport:
    torch.manual_seed(0)
    model = ToyModel()
    engine = TorchEngine(model, config, world_size=1, device=torch.device("cpu"))
    average = ParameterAverage(engine.layout, 0.5) if averages else None
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    return WeightsExport(engine, average, shapes, run_dir=folder, config=config, validates=validates, writes=writes)


def set_head(export: WeightsExport, value: float) -> None:
    torch.nn.init.constant_(export.engine.model.head.bias, value)  # type: ignore[union-attr, arg-type]


def head(path: Path) -> float:
    return load_file(path)["head.bias"].item()


def test_the_lowest_validation_loss_is_exported_also_after_an_interruption(tmp_path: Path) -> None:
    config = toy_config(export="best", zero_stage=None)
    export = make_export(tmp_path, config)
    for step, loss in ((10, 3.0), (20, 1.0), (30, float("nan"))):
        set_head(export, step)
        export.validated(step, loss)
    export = make_export(tmp_path, config)  # the run goes on from step 20: the same loss again, then a higher one
    for step, loss in ((20, 1.0), (30, 2.0)):
        set_head(export, step)
        export.validated(step, loss)
    assert export.finish() == {"validation/best_step": 20, "validation/best_loss": 1.0}
    assert head(tmp_path / "model.safetensors") == 20
    with safe_open(tmp_path / BEST_FILE, framework="pt") as file:
        assert file.metadata() == {"step": "20", "validation_loss": "1.0"}


def test_without_the_wish_the_last_weights_are_exported(tmp_path: Path) -> None:
    export = make_export(tmp_path, toy_config(zero_stage=None))
    export.validated(10, 1.0)
    set_head(export, 20)
    export.validated(20, 2.0)
    assert export.finish() == {}
    assert head(tmp_path / "model.safetensors") == 20
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_the_last_are_exported_where_no_validation_loss_was_a_number(tmp_path: Path) -> None:
    export = make_export(tmp_path, toy_config(export="best", zero_stage=None))
    export.validated(10, float("nan"))
    assert export.finish() == {}
    assert (tmp_path / "model.safetensors").exists()


def test_the_average_is_used_and_the_parameters_are_kept_beside_it(tmp_path: Path) -> None:
    export = make_export(tmp_path, toy_config(zero_stage=None), averages=True)
    start = export.engine.model.head.bias.item()  # type: ignore[union-attr, operator]
    set_head(export, 5.0)
    export.finish()
    assert head(tmp_path / UNAVERAGED_FILE) == 5.0
    assert head(tmp_path / "model.safetensors") == start


def test_only_the_first_worker_writes(tmp_path: Path) -> None:
    export = make_export(tmp_path, toy_config(export="best", zero_stage=None), averages=True, writes=False)
    export.validated(10, 1.0)
    export.finish()
    assert not list(tmp_path.iterdir())


def test_the_best_of_a_run_that_is_not_validated_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="set export to last"):
        make_export(tmp_path, toy_config(export="best", zero_stage=None), validates=False)


def test_a_model_starts_from_weights_that_fit_it(tmp_path: Path) -> None:
    save_file(ToyModel().state_dict(), tmp_path / "model.safetensors")
    config = toy_config(warm_start=str(tmp_path))
    model = ToyModel()
    start_from(model, config)
    saved = load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(value, saved[name]) for name, value in model.state_dict().items())
    with pytest.raises(ModelError, match="does not fit"):
        start_from(ToyModel(width=8), config)


def test_the_key_of_a_start_is_its_content(tmp_path: Path) -> None:
    assert start_key(toy_config()) == ""
    for name in ("one", "copy"):
        (tmp_path / name).mkdir()
        save_file({"x": torch.ones(3)}, tmp_path / name / "model.safetensors")
    one, copy = (start_key(toy_config(warm_start=str(tmp_path / name))) for name in ("one", "copy"))
    assert one == copy != ""
    save_file({"x": torch.zeros(3)}, tmp_path / "copy" / "model.safetensors")
    assert start_key(toy_config(warm_start=str(tmp_path / "copy"))) != one
    with pytest.raises(ModelError, match="give a model's folder"):
        start_key(toy_config(warm_start=str(tmp_path)))
