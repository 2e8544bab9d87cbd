"""Estimates against what engines of every ZeRO stage hold, and against figures worked out by hand."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from ranks import run_two_ranks

from ltm3d.errors import ConfigError
from ltm3d.training.data import batch_indices
from ltm3d.training.estimate import (
    disk_bytes,
    samples_per_second,
    sent_bytes,
    state_bytes,
    steps_of,
)

STAGES = (None, 0, 1, 2, 3)
NUM_PARAMETERS = 4 * (256 * 256 + 256)  # of the tower in memory_ranks


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> dict[str, dict[str, int]]:
    """What rank 0 of two holds before a step, by stage."""
    pytest.importorskip("deepspeed")
    folder = tmp_path_factory.mktemp("memory")
    run_two_ranks(repository, "memory_ranks.py", folder / "store", folder / "measured.json")
    return json.loads((folder / "measured.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_states_are_what_an_engine_holds(measured: dict[str, dict[str, int]], stage: int | None) -> None:
    estimated = asdict(state_bytes(NUM_PARAMETERS, world_size=2, zero_stage=stage))
    for name, held in measured[str(stage)].items():
        if name == "gradients" and stage == 1:  # whole while they are made, the rank's half once they are summed
            assert held == pytest.approx(estimated[name] / 2, rel=0.01)
        else:
            assert held == pytest.approx(estimated[name], rel=0.01), name


def test_sums_and_offload_by_hand() -> None:
    plain = state_bytes(1000, world_size=4, zero_stage=None)
    assert plain.total == plain.on_device == 4000 * (1 + 1 + 2 + 1)
    assert state_bytes(1000, world_size=4, zero_stage=1).total == 4000 + 1000 + 4000 + 2000 + 1000
    two = state_bytes(1000, world_size=4, zero_stage=2, offload="optimizer", has_average=False)
    assert two.offloaded == 1000 + 2000 + 1000  # master copy, moments, gradients
    assert two.on_device == 4000 + 4 * 500_000_000
    three = state_bytes(1000, world_size=4, zero_stage=3, offload="parameters", has_average=False)
    assert three.on_device == 4 * 500_000_000
    with pytest.raises(ConfigError, match="zero_stage is 1; it must be one of 3 with offload parameters"):
        state_bytes(1000, world_size=4, zero_stage=1, offload="parameters")


def test_traffic_by_hand() -> None:
    assert sent_bytes(1000, world_size=1, zero_stage=3) == 0
    assert [sent_bytes(1000, world_size=4, zero_stage=stage) for stage in STAGES] == [6000, 6000, 6000, 6000, 9000]
    assert sent_bytes(1000, world_size=4, zero_stage=2, num_micro_batches=3) == 12_000
    assert sent_bytes(1000, world_size=4, zero_stage=3, num_micro_batches=3) == 27_000


def test_steps_show_every_asset_as_often_as_was_asked() -> None:
    steps = steps_of(11, epochs=3, global_batch_size=4)
    assert steps == 9
    seen = [
        index for step in range(steps) for index in batch_indices(range(4), seed=0, step=step, batch_size=4, size=11)
    ]
    assert min(seen.count(index) for index in range(11)) == 3


def test_the_disk_holds_checkpoints_and_files_of_weights() -> None:
    plain = disk_bytes(100, num_buffer_bytes=8, keep=2, has_average=False)
    assert (plain.checkpoint, plain.checkpoints, plain.weights) == (1208, 4 * 1208, 2 * 408)
    averaged = disk_bytes(100, num_buffer_bytes=8, keep=2, has_average=True, has_best=True)
    assert (averaged.checkpoint, averaged.checkpoints, averaged.weights) == (1608, 4 * 1608, 4 * 408)


def test_the_rate_by_operations() -> None:
    assert samples_per_second(1e12, peak_tflops=100, utilisation=0.5, recomputes=False) == pytest.approx(50)
    assert samples_per_second(1e12, peak_tflops=100, utilisation=0.5, recomputes=True) == pytest.approx(37.5)
