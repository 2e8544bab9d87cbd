"""`ltm3d plan --train` against figures worked out by hand and the generator's own sizes."""

import json
from pathlib import Path

import pytest

from ltm3d.cli.plan import plan
from ltm3d.cli.plan_training import Setting, make_plan
from ltm3d.errors import ConfigError
from ltm3d.generator.model import Generator, GeneratorConfig
from ltm3d.generator.token_model import TokenShape

SETTING = Setting(
    num_assets=1000,
    num_tokens=64,
    token_dim=16,
    num_condition_tokens=40,
    condition_width=48,
    epochs=3,
    global_batch=32,
    micro_batch=4,
    nodes=2,
    gpus_per_node=2,
    gpu_memory_gb=80,
    peak_tflops=100,
    utilisation=0.5,
    rate=10.0,
    network_gb_per_s=1.0,
    keep_checkpoints=2,
    price_per_node_hour=3600.0,
)


@pytest.fixture(scope="module")
def conf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A conf folder with one small size."""
    folder = tmp_path_factory.mktemp("conf")
    (folder / "generator").mkdir()
    (folder / "generator" / "tiny.yaml").write_text(
        "{width: 32, encoder_depth: 1, decoder_depth: 1, num_heads: 4, num_prefix: 4, "
        "denoiser_width: 32, denoiser_depth: 1}"
    )
    return folder


def test_steps_hours_and_cost_by_hand(conf: Path) -> None:
    made = make_plan("tiny", SETTING, conf)
    assert made["steps"] == 94  # 3,000 samples, 32 a step
    assert made["seconds_a_step"] == pytest.approx(32 / 4 / 10)
    assert made["hours"] == pytest.approx(94 * 0.8 / 3600)
    assert made["gpu_hours"] == pytest.approx(4 * made["hours"])
    assert made["cost"] == pytest.approx(2 * 94 * 0.8)


def test_memory_disk_and_network_are_those_of_the_model(conf: Path) -> None:
    made = make_plan("tiny", SETTING, conf)
    config = GeneratorConfig(
        width=32, encoder_depth=1, decoder_depth=1, num_heads=4, num_prefix=4, denoiser_width=32, denoiser_depth=1
    )
    model = Generator(config, TokenShape(num_tokens=64, token_dim=16, image_width=48, text_width=48))
    size = sum(value.numel() for value in model.parameters())
    assert made["parameters"] == size
    assert made["disk"]["checkpoint"] == 16 * size
    zero, one, _, three, *_ = made["stages"]
    assert zero["states_gb"] == pytest.approx(20 * size / 1e9)
    assert one["states_gb"] == pytest.approx((4 + 1 + 4 + 2 + 1) * size / 1e9)
    assert zero["gpu_gb"] - zero["states_gb"] == pytest.approx(made["activation_gb"])
    assert three["sent_gb_a_step"] == pytest.approx(2 * 3 * 3 * size / 1e9)  # two micro-batches, three of four parts
    assert three["network_share"] == pytest.approx(three["sent_gb_a_step"] / 0.8)
    assert zero["fits"]


@pytest.mark.slow
def test_a_rate_that_was_not_measured_is_said_to_be_none(conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = {"tokens": 64, "channels": 16, "condition_tokens": 40, "condition_width": 48, "conf": conf}
    plan(assets=1000, nodes=1, train="tiny", batch=32, **arguments)
    output = capsys.readouterr().out
    assert "no rate was given: 35% of 989 TFLOP/s" in output
    assert "offload" in output and "parameters" in output
    plan(assets=1000, nodes=1, train="tiny", batch=32, rate=5.0, as_json=True, **arguments)
    assert json.loads(capsys.readouterr().out)["rate_is_measured"]


def test_what_cannot_be_is_one_line(conf: Path) -> None:
    with pytest.raises(ConfigError, match=r"huge\.yaml is not there; the sizes are: tiny"):
        make_plan("huge", SETTING, conf)
    with pytest.raises(ConfigError, match=r"batch is 30; it must be a multiple of the 4 GPUs \(2 nodes of 2\)"):
        Setting(**(vars(SETTING) | {"global_batch": 30}))
    with pytest.raises(ConfigError, match="micro_batch is 3; it must divide the 8 samples of a GPU"):
        Setting(**(vars(SETTING) | {"micro_batch": 3}))
