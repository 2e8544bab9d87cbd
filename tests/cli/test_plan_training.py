"""`ltm3d plan --train` against metrics worked out by hand and the generator's own sizes."""

import json
from pathlib import Path
from typing import Any

import pytest

from ltm3d.cli.plan import plan
from ltm3d.cli.plan_training import plan_training
from ltm3d.errors import ConfigError
from ltm3d.generator.model import Generator, GeneratorConfig
from ltm3d.generator.token_model import TokenShape


@pytest.fixture(scope="module")
def conf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A conf folder with one small size."""
    folder = tmp_path_factory.mktemp("checkout") / "conf"
    (folder / "generator").mkdir(parents=True)
    (folder / "generator" / "tiny.yaml").write_text(
        "{width: 32, encoder_depth: 1, decoder_depth: 1, num_heads: 4, num_prefix: 4, "
        "denoiser_width: 32, denoiser_depth: 1}"
    )
    return folder


def made(conf: Path, size: str = "tiny", **changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "token_shape": (64, 16),
        "condition_shape": (40, 48),
        "num_samples": 3000,
        "batch": 32,
        "micro_batch": 4,
        "num_gpus": 4,
        "rate": 10.0,
        "tflops": 50.0,
        "price_per_hour": 7200.0,
    }
    return plan_training(size, **arguments | changes, conf=conf)


def test_steps_hours_and_cost_by_hand(conf: Path) -> None:
    plan = made(conf)
    assert plan["steps"] == 94  # 3,000 samples, 32 a step
    assert plan["seconds_per_step"] == pytest.approx(32 / 4 / 10)
    assert plan["hours"] == pytest.approx(94 * 0.8 / 3600)
    assert plan["gpu_hours"] == pytest.approx(4 * plan["hours"])
    assert plan["cost"] == pytest.approx(2 * 94 * 0.8)


def test_memory_and_disk_are_those_of_the_model(conf: Path) -> None:
    plan = made(conf)
    config = GeneratorConfig(
        width=32, encoder_depth=1, decoder_depth=1, num_heads=4, num_prefix=4, denoiser_width=32, denoiser_depth=1
    )
    model = Generator(config, TokenShape(num_tokens=64, token_dim=16, image_width=48, text_width=48))
    size = sum(value.numel() for value in model.parameters())
    assert plan["parameters"] == size
    assert plan["checkpoint_gb"] == 16 * size / 1e9
    memory = {name: (row["gpu_gb"] - plan["activation_gb"], row["host_gb"]) for name, row in plan["memory"].items()}
    bucket = 2.0
    expected = {
        "ZeRO 0": (20 * size / 1e9, 0.0),
        "ZeRO 1": ((4 + 1 + 4 + 2 + 1) * size / 1e9, 0.0),
        "ZeRO 2": ((4 + 1 + 1 + 2 + 1) * size / 1e9 + bucket, 0.0),
        "ZeRO 3": ((1 + 1 + 1 + 2 + 1) * size / 1e9 + bucket, 0.0),
        "ZeRO 2, offload optimizer": ((4 + 1) * size / 1e9 + bucket, 4 * size / 1e9),
        "ZeRO 3, offload parameters": (size / 1e9 + bucket, 5 * size / 1e9),
    }
    assert memory.keys() == expected.keys()
    for name, (gpu, host) in expected.items():
        assert memory[name] == (pytest.approx(gpu), pytest.approx(host)), name


def test_samples_held_at_once_take_memory_and_micro_batches_do_not(conf: Path) -> None:
    four, eight = made(conf), made(conf, micro_batch=None)
    assert eight["activation_gb"] > 1.5 * four["activation_gb"]
    assert eight["hours"] == four["hours"]


def test_a_rate_that_was_not_measured_is_said_to_be_guessed(
    conf: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(conf.parent)
    arguments: dict[str, Any] = {"tokens": 64, "channels": 16, "condition_tokens": 40, "condition_width": 48}
    plan(assets=1000, nodes=1, train="tiny", batch=32, **arguments)
    output = capsys.readouterr().out
    assert "guessed from 350 TFLOP/s" in output and "ZeRO 3, offload parameters" in output
    plan(assets=1000, nodes=1, train="tiny", batch=32, rate=5.0, as_json=True, **arguments)
    found = json.loads(capsys.readouterr().out)
    assert found["assumptions"][0] == "5.0 samples a second and GPU, as measured (--rate)"
    slow, fast = (made(conf, rate=None, tflops=tflops)["hours"] for tflops in (10.0, 20.0))
    assert slow == pytest.approx(2 * fast)


def test_what_cannot_be_is_one_line(conf: Path) -> None:
    with pytest.raises(ConfigError, match=r"huge\.yaml is not there; the sizes are: tiny"):
        made(conf, "huge")
    with pytest.raises(ConfigError, match=r"30.* 4"):
        made(conf, batch=30)
    with pytest.raises(ConfigError, match=r"3.* 8"):
        made(conf, micro_batch=3)
