import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import distributed as dist
from toy_training import ToyExamples, ToyModel, toy_config

from ltm3d.errors import ModelError
from ltm3d.nn.randomness import StepRandom
from ltm3d.training.config import TrainingConfig
from ltm3d.training.data import batch_indices, training_batch
from ltm3d.training.engine import Engine, TorchEngine, build_engine

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def process_group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A group of this process alone, as Ray makes one of its workers."""
    pytest.importorskip("deepspeed")
    variables = {"LOCAL_RANK": "0", "RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        store = tmp_path_factory.mktemp("gloo") / "store"
        dist.init_process_group("gloo", init_method=f"file://{store}", rank=0, world_size=1)
        yield
        dist.destroy_process_group()


def make_engine(config: TrainingConfig) -> Engine:
    torch.manual_seed(0)
    return build_engine(ToyModel(), config, world_size=1, device=CPU)


def run(engine: Engine, config: TrainingConfig, steps: range, broken: int | None = None) -> list[tuple[float, float]]:
    """Take some steps; return loss and gradient norm of each. The loss of the `broken` example is infinite."""
    size = config.micro_batch_size or config.global_batch_size
    metrics = []
    for step in steps:
        losses = []
        for start in range(0, config.global_batch_size, size):
            positions = range(start, start + size)
            batch = training_batch(
                ToyExamples(40, broken=broken),
                positions,
                seed=config.seed,
                step=step,
                batch_size=config.global_batch_size,
            )
            loss, terms = engine.accumulate(batch, StepRandom(config.seed, step, positions))
            assert not loss.requires_grad and not any(value.requires_grad for value in terms.values())
            losses.append(float(loss))
        metrics.append((sum(losses) / len(losses), float(engine.step(0.01))))
    return metrics


def assert_same_parameters(first: Engine, second: Engine, tolerance: float) -> None:
    for (name, one), other in zip(first.model.state_dict().items(), second.model.state_dict().values(), strict=True):
        assert torch.allclose(one, other, rtol=tolerance, atol=tolerance), name


@pytest.mark.parametrize("zero_stage", [0, 1, 2])
@pytest.mark.parametrize("grad_clip", [0.0, 0.5])
def test_deepspeed_and_torch_take_the_same_steps(process_group: None, zero_stage: int, grad_clip: float) -> None:
    config = toy_config(grad_clip=grad_clip, zero_stage=zero_stage, micro_batch_size=4)
    deepspeed = make_engine(config)
    plain = make_engine(toy_config(grad_clip=grad_clip, zero_stage=None, micro_batch_size=4))
    assert (deepspeed.name, deepspeed.zero_stage) == ("deepspeed", zero_stage)
    assert (plain.name, plain.zero_stage) == ("torch", None)
    expected = run(plain, config, range(6))
    assert run(deepspeed, config, range(6)) == [pytest.approx(row, rel=1e-4) for row in expected]
    assert_same_parameters(deepspeed, plain, 1e-5)
    assert max(norm for _, norm in expected) > 0.5, "the clip is never reached: the test proves nothing"


@pytest.mark.parametrize("zero_stage", [None, 1])
def test_a_checkpoint_continues_as_if_never_interrupted(
    process_group: None, tmp_path: Path, zero_stage: int | None
) -> None:
    config = toy_config(zero_stage=zero_stage)
    undisturbed = make_engine(config)
    expected = run(undisturbed, config, range(6))[3:]
    interrupted = make_engine(config)
    run(interrupted, config, range(3))
    interrupted.save(tmp_path, {"step": 3, "average": {"weight": torch.ones(2)}})
    torch.manual_seed(1)
    resumed = build_engine(ToyModel(), config, world_size=1, device=CPU)
    extra = resumed.load(tmp_path)
    assert extra["step"] == 3 and torch.equal(extra["average"]["weight"], torch.ones(2))
    assert run(resumed, config, range(3, 6)) == expected
    assert_same_parameters(resumed, undisturbed, 0.0)


@pytest.mark.parametrize("zero_stage", [None, 0, 1, 2, 3])
@pytest.mark.parametrize("micro_batch_size", [8, 2])
def test_a_skipped_step_is_as_if_it_had_never_been(
    process_group: None, zero_stage: int | None, micro_batch_size: int
) -> None:
    config = toy_config(zero_stage=zero_stage, micro_batch_size=micro_batch_size)
    step = 3
    broken = batch_indices(range(8), seed=config.seed, step=step, batch_size=8, size=40)[-1]
    engine = make_engine(config)
    run(engine, config, range(step))
    skipped = run(engine, config, range(step, step + 1), broken)
    assert not math.isfinite(skipped[0][0]) and not math.isfinite(skipped[0][1])
    undisturbed = make_engine(config)
    run(undisturbed, config, range(step))
    assert run(engine, config, range(4, 7)) == run(undisturbed, config, range(4, 7))
    mine, expected = engine.weights(), undisturbed.weights()
    assert all(torch.equal(mine[name], value) for name, value in expected.items())


def test_an_empty_folder_is_no_deepspeed_checkpoint(process_group: None, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no DeepSpeed checkpoint"):
        make_engine(toy_config(zero_stage=1)).load(tmp_path)


def test_micro_batches_add_up_to_the_batch() -> None:
    whole, parts = toy_config(zero_stage=None), toy_config(zero_stage=None, micro_batch_size=2)
    engines = [make_engine(config) for config in (whole, parts)]
    metrics = [run(engine, config, range(4)) for engine, config in zip(engines, (whole, parts), strict=True)]
    assert metrics[1] == [pytest.approx(row, rel=1e-4) for row in metrics[0]]
    assert_same_parameters(*engines, 1e-5)


def test_bf16_is_autocast_over_fp32_weights() -> None:
    engine = make_engine(toy_config(zero_stage=None, precision="bf16"))
    metrics = run(engine, toy_config(), range(3))
    exact = run(make_engine(toy_config(zero_stage=None)), toy_config(), range(3))
    assert metrics != exact
    assert metrics == [pytest.approx(row, rel=0.1) for row in exact]
    assert all(value.dtype is torch.float32 for value in engine.model.parameters())


def test_weight_decay_and_frozen_parameters() -> None:
    model = ToyModel()
    model.head.requires_grad_(False)
    frozen = model.head.weight.clone()
    engine = TorchEngine(model, toy_config(weight_decay=0.1), world_size=1, device=CPU)
    run(engine, toy_config(), range(2))
    assert torch.equal(model.head.weight, frozen)
    assert torch.allclose(model.unused, torch.full((3, 3), 0.999**2))  # 1 - learning rate x decay, twice


def test_plain_torch_takes_over_where_deepspeed_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert isinstance(make_engine(toy_config(zero_stage=1)), TorchEngine)
