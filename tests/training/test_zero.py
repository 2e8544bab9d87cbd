"""Every stage of ZeRO, with and without offload, on two real processes against plain torch in one."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from ranks import run_two_ranks
from safetensors.torch import load_file
from toy_training import computed
from training_ranks import make_job

from ltm3d.training.checkpoints import files
from ltm3d.training.checkpoints.files import read_json
from ltm3d.training.loop import SKIPPED, DistContext
from ltm3d.training.progress import read_metrics
from ltm3d.training.worker import run_worker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

BROKEN = 7  # an example whose loss is infinite
FP32, BF16 = 1e-4, 2e-2  # relative: sums in another order; in bf16 the activations' rounding, too


def case(name: str, kind: str = "toy", broken: int | None = None, **settings: Any) -> tuple[str, dict[str, Any]]:
    return name, {"kind": kind, "broken": broken, "settings": settings}


CASES = dict(
    [
        case("torch", zero_stage=None),
        *(case(f"zero-{stage}", zero_stage=stage) for stage in range(4)),
        *(case(f"zero-{stage}-offload", zero_stage=stage, offload="optimizer") for stage in (1, 2, 3)),
        case("zero-3-offload-parameters", zero_stage=3, offload="parameters"),
        case("broken-torch", broken=BROKEN, zero_stage=None, max_skipped_steps=3),
        *(case(f"broken-zero-{stage}", broken=BROKEN, zero_stage=stage, max_skipped_steps=3) for stage in range(4)),
        *(case(f"bf16-{stage}", zero_stage=stage, precision="bf16") for stage in (None, 1, 3)),
        case("best-zero-1", zero_stage=1, export="best", learning_rate=0.3),
        case("best-zero-3", zero_stage=3, export="best", learning_rate=0.3),
        case("generator-zero-1", kind="generator", zero_stage=1),
        case("generator-zero-3", kind="generator", zero_stage=3),
        case("generator-zero-3-recompute", kind="generator", zero_stage=3, activation_checkpointing=True),
    ]
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """The run folders of all cases; each was trained to its end, and again from its first checkpoint."""
    pytest.importorskip("deepspeed")
    folder = tmp_path_factory.mktemp("ranks")
    (folder / "cases.json").write_text(json.dumps(CASES))
    run_two_ranks(repository, "training_ranks.py", folder / "store", folder)
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same trainings in this process with plain torch, by the name of what is trained."""
    folder = tmp_path_factory.mktemp("alone")
    for name, settings in {
        "toy": {},
        "broken": {"max_skipped_steps": 3},
        "bf16": {"precision": "bf16"},
        "generator": {},
        "best": {"export": "best", "learning_rate": 0.3},
    }.items():
        kind, broken = "generator" if name == "generator" else "toy", BROKEN if name == "broken" else None
        job = make_job(folder / name, kind, broken, {"zero_stage": None, **settings})
        job.run_dir.mkdir()
        run_worker(job, DistContext())
    return folder


def truth_of(name: str) -> str:
    start = name.partition("-")[0]
    return start if start in ("broken", "bf16", "generator", "best") else "toy"


@pytest.mark.parametrize("name", CASES)
def test_two_ranks_train_as_one_process_of_plain_torch(runs: Path, alone: Path, name: str) -> None:
    truth = alone / truth_of(name)
    tolerance = BF16 if name.startswith("bf16") else FP32
    rows = [computed(read_metrics(folder)) for folder in (runs / name, truth)]
    assert [row["step"] for row in rows[1]] == [2, 4, 6, 8, 10, 12]
    for mine, theirs in zip(*rows, strict=True):
        assert mine == {key: pytest.approx(value, rel=tolerance) for key, value in theirs.items()}
    for file in (files.WEIGHTS_FILE, files.UNAVERAGED_FILE):
        mine, expected = load_file(runs / name / file), load_file(truth / file)
        assert mine.keys() == expected.keys()
        for key, value in expected.items():
            assert mine[key].shape == value.shape
            assert torch.allclose(mine[key], value, rtol=10 * tolerance, atol=tolerance), key


@pytest.mark.parametrize("name", CASES)
def test_a_checkpoint_continues_bit_by_bit(runs: Path, name: str) -> None:
    assert read_json(runs / name / files.RESULT_FILE)["resumed_from"] == 6
    mine, expected = (load_file(runs / name / file) for file in (files.WEIGHTS_FILE, "undisturbed.safetensors"))
    assert all(torch.equal(mine[key], expected[key]) for key in expected)
    lines = [(runs / name / file).read_text().splitlines() for file in (files.METRICS_FILE, "undisturbed.jsonl")]
    resumed, undisturbed = (computed([json.loads(line) for line in each]) for each in lines)
    assert resumed == undisturbed


def test_skipped_steps_are_counted_and_the_others_are_not_disturbed(runs: Path, alone: Path) -> None:
    for folder in (alone / "broken", *(runs / name for name in CASES if name.startswith("broken"))):
        rows = read_metrics(folder)
        assert rows[-1][SKIPPED] == 3, "the broken example comes three times in 12 steps of 8 of 40"
        assert all(row["train/loss"] < 10 for row in rows), "a skipped step's loss is in no mean"


def test_the_average_is_cut_over_the_workers_with_the_optimizer(runs: Path) -> None:
    """What a rank keeps: with ZeRO 1 to 3 half of the numbers, else all of them once."""
    for name in ("torch", "zero-0", "zero-1", "zero-2", "zero-3"):
        newest = files.committed(files.checkpoint_folder(runs / name, "toy"))[-1].folder
        counts = [
            sum(value.numel() for value in load_file(path).values())
            for path in sorted(newest.glob("average-*.safetensors"))
        ]
        total = sum(value.numel() for value in load_file(runs / name / files.UNAVERAGED_FILE).values()) - 1  # a buffer
        assert sum(counts) == total
        assert len(counts) == (1 if name in ("torch", "zero-0") else 2)
        assert max(counts) <= (total if len(counts) == 1 else total / 2 + 8)


def test_the_average_and_the_parameters_are_exported_apart(runs: Path) -> None:
    for name in ("torch", "zero-1", "zero-3"):
        averaged, own = (load_file(runs / name / file) for file in (files.WEIGHTS_FILE, files.UNAVERAGED_FILE))
        assert torch.equal(averaged["scale"], own["scale"])
        assert not torch.equal(averaged["body.3.weight"], own["body.3.weight"])


def test_the_best_weights_are_those_of_the_lowest_validation_loss(runs: Path, alone: Path) -> None:
    for folder in (alone / "best", runs / "best-zero-1", runs / "best-zero-3"):
        losses = {row["step"]: row["validation/loss"] for row in read_metrics(folder) if "validation/loss" in row}
        best = min(losses, key=lambda step: losses[step])
        assert best != max(losses), "the last is the best: the test proves nothing"
        result = read_json(folder / files.RESULT_FILE)
        assert result["metrics"]["validation/best_step"] == best
        assert result["metrics"]["validation/best_loss"] == losses[best]
        exported, kept = (load_file(folder / file) for file in (files.WEIGHTS_FILE, files.BEST_FILE))
        assert all(torch.equal(exported[key], kept[key]) for key in kept)
