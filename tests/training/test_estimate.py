"""Estimates against what engines of every ZeRO stage hold, and against metrics worked out by hand."""

import json
from pathlib import Path

import pytest
from ranks import run_two_ranks

from ltm3d.training.estimate import disk_bytes, state_bytes

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
    estimated = state_bytes(NUM_PARAMETERS, world_size=2, zero_stage=stage)
    for name, held in measured[str(stage)].items():
        if name == "gradients" and stage == 1:  # whole while they are made, the rank's half once they are summed
            assert held == pytest.approx(estimated[name] / 2, rel=0.01)
        else:
            assert held == pytest.approx(estimated[name], rel=0.01), name


def test_states_by_hand() -> None:
    def total(stage: int | None) -> float:
        return sum(state_bytes(1000, world_size=4, zero_stage=stage).values())

    assert total(None) == total(0) == 4000 * (1 + 1 + 2 + 1)
    assert total(1) == 4000 + 1000 + 4000 + 2000 + 1000
    assert total(2) == 4000 + 1000 + 1000 + 2000 + 1000 + 4 * 500_000_000
    assert total(3) == 1000 + 1000 + 1000 + 2000 + 1000 + 4 * 500_000_000


def test_the_disk_holds_checkpoints_and_files_of_weights() -> None:
    assert disk_bytes(100, num_buffer_bytes=8, keep=2, has_average=False) == (1208, 4 * 1208 + 2 * 408)
    averaged = disk_bytes(100, num_buffer_bytes=8, keep=2, has_average=True, has_best=True)
    assert averaged == (1608, 4 * 1608 + 4 * 408)
