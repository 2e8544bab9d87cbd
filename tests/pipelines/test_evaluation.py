"""Assets shared out over Ray's workers."""

import os
from pathlib import Path

import pytest

from pipelines._evaluation import map_over_ray
from pipelines._stage import ray_started


def work(asset: int) -> tuple[int, int, int]:
    import torch

    return asset * asset, torch.get_num_threads(), os.getpid()


def test_assets_are_shared_out_and_come_back_in_order(monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(repository), str(repository / "tests/pipelines")]))
    with ray_started(2):
        results = map_over_ray(work, range(12))
    assert [result[0] for result in results] == [asset * asset for asset in range(12)]
    assert {threads for _, threads, _ in results} == {1}
    assert os.getpid() not in {process for *_, process in results}
