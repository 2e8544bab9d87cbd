"""Real runs on two workers of Ray Train with DeepSpeed; each is compared with an undisturbed one."""

import os
from pathlib import Path

import pytest
from ray_runs import assert_close_run, train_toy
from toy_training import ToyModel, toy_config, toy_examples

from ltm3d.errors import ConfigError
from ltm3d.resources import Resources
from ltm3d.training.checkpoints import files
from ltm3d.training.launch import TrainingResult, train, train_locally

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_two_workers_run_zero_1_with_one_thread_each(undisturbed: TrainingResult) -> None:
    workers = undisturbed.workers
    assert [worker["rank"] for worker in workers] == [0, 1]
    assert len({worker["pid"] for worker in workers} | {os.getpid()}) == 3
    assert {(worker["engine"], worker["zero_stage"]) for worker in workers} == {("deepspeed", 1)}
    assert {(worker["num_threads"], worker["precision"]) for worker in workers} == {(1, "fp32")}
    assert not [name for name in os.environ if name.startswith("RAY_TRAIN_E")], "left for the next run of this process"
    assert undisturbed.resumed_from is None
    folder = files.checkpoint_folder(undisturbed.weights.parent, "toy")
    kept = files.committed(folder)
    assert [(each.step, each.commit.world_size) for each in kept[-2:]] == [(35, 2), (40, 2)]
    assert [each.step for each in kept[:-2]] in ([], [files.best_of(kept).step])
    names = {path.name for path in kept[-1].folder.iterdir()}
    assert names == {"zero-00000.safetensors", "zero-00001.safetensors", "shared.pt", files.COMMIT_FILE}
    others = {path.name for path in folder.iterdir()} - {each.folder.name for each in kept}
    assert others == {".validate_storage_marker"}, "Ray keeps no list of checkpoints that could contradict ours"


def test_one_process_of_plain_torch_gives_the_same_losses(undisturbed: TrainingResult, tmp_path: Path) -> None:
    alone = train_locally(
        name="toy",
        build_model=ToyModel,
        build_examples=toy_examples(),
        build_validation=toy_examples(count=11),
        config=toy_config(),
        run_dir=tmp_path,
        run_key="toy",
    )
    assert [worker["engine"] for worker in alone.workers] == ["torch"]
    assert_close_run(tmp_path, undisturbed)


def test_two_workers_of_plain_torch_give_the_same_losses(undisturbed: TrainingResult, tmp_path: Path) -> None:
    result = train_toy(tmp_path, zero_stage=None)
    assert [(worker["engine"], worker["zero_stage"]) for worker in result.workers] == [("torch", None)] * 2
    assert_close_run(tmp_path, undisturbed)


def test_a_finished_run_does_nothing(undisturbed: TrainingResult) -> None:
    run_dir = undisturbed.weights.parent
    before = {path: path.stat().st_mtime_ns for path in run_dir.rglob("*") if path.name != files.RUN_FILE}
    assert train_toy(run_dir, on_metrics=lambda step, row: pytest.fail("trained again")) == undisturbed
    assert {path: path.stat().st_mtime_ns for path in run_dir.rglob("*") if path.name != files.RUN_FILE} == before


def test_a_batch_that_does_not_divide_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="multiple of the 3 workers"):
        train(
            name="toy",
            build_model=ToyModel,
            build_examples=toy_examples(),
            build_validation=None,
            config=toy_config(),
            resources=Resources(num_workers=3),
            run_dir=tmp_path / "run",
            run_key="toy",
        )
    assert not (tmp_path / "run").exists()
