import math
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_training import toy_config

from ltm3d.errors import ConfigError
from ltm3d.resources import Resources
from ltm3d.training.config import (
    autocast_dtype,
    cpu_has_bf16,
    identity,
    learning_rate_at,
    micro_batch_size,
)


@pytest.mark.parametrize(
    "field, value",
    [
        ("num_steps", 0),
        ("learning_rate", 0.0),
        ("ema_decay", 1.0),
        ("lr_schedule", "linear"),
        ("precision", "fp16"),
        ("zero_stage", 4),
        ("offload", "disk"),
        ("export", "first"),
        ("max_skipped_steps", -1),
        ("prefetch", -1),
        ("micro_batch_size", 0),
        ("betas", (0.9,)),
        ("grad_clip", -1.0),
        ("seed", -1),
    ],
)
def test_a_value_out_of_range_is_named(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=field):
        toy_config(**{field: value})


def test_resources_are_checked() -> None:
    with pytest.raises(ConfigError, match="num_workers is 0"):
        Resources(num_workers=0)


def test_learning_rate_warms_up_and_falls_to_zero() -> None:
    config = toy_config(num_steps=25, warmup_steps=5, learning_rate=0.1)
    rates = [learning_rate_at(config, step) for step in range(26)]
    assert rates[:5] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])
    assert rates[5] == pytest.approx(0.1)
    assert rates[15] == pytest.approx(0.05)
    assert math.isclose(rates[25], 0.0, abs_tol=1e-12)
    assert learning_rate_at(toy_config(lr_schedule="constant", learning_rate=0.1), 39) == 0.1


def test_micro_batches_divide_the_share_of_a_worker() -> None:
    assert micro_batch_size(toy_config(global_batch_size=12), 3) == 4
    assert micro_batch_size(toy_config(global_batch_size=12, micro_batch_size=2), 3) == 2
    with pytest.raises(ConfigError, match="multiple of the 5 workers"):
        micro_batch_size(toy_config(global_batch_size=12), 5)
    with pytest.raises(ConfigError, match="must divide the 6 samples"):
        micro_batch_size(toy_config(global_batch_size=12, micro_batch_size=4), 2)


@pytest.mark.parametrize(
    "flags, expected", [("fpu avx512_bf16 sse", True), ("amx_bf16", True), ("avx512f avx512_vnni", False), ("", False)]
)
def test_bf16_units_are_read_from_the_flags(tmp_path: Path, flags: str, expected: bool) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    assert cpu_has_bf16(cpuinfo) is expected
    assert cpu_has_bf16(tmp_path / "none") is False


def test_precision() -> None:
    cpu = torch.device("cpu")
    assert autocast_dtype("fp32", cpu) is None
    assert autocast_dtype("bf16", cpu) is torch.bfloat16
    assert autocast_dtype("auto", cpu) is (torch.bfloat16 if cpu_has_bf16() else None)


def test_identity_is_of_what_is_computed() -> None:
    same = identity(toy_config(), "key")
    assert identity(toy_config(log_every=7, checkpoint_every=3, keep_checkpoints=1), "key") == same
    assert identity(toy_config(seed=4), "key") != same
    assert identity(toy_config(), "other") != same
    assert identity(toy_config(prefetch=0, max_skipped_steps=9, warm_start="/elsewhere"), "key") == same
    assert identity(toy_config(export="best"), "key") != same


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"zero_stage": None, "offload": "optimizer"}, "one of 1, 2, 3 with offload optimizer"),
        ({"zero_stage": 0, "offload": "optimizer"}, "one of 1, 2, 3 with offload optimizer"),
        ({"zero_stage": 2, "offload": "parameters"}, "one of 3 with offload parameters"),
        ({"zero_stage": 3, "compile": True}, "compile is True; it must be false with zero_stage 3"),
    ],
)
def test_what_does_not_go_together_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        toy_config(**settings)
