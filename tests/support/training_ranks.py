"""Two ranks of one training each, over gloo and without Ray: `python training_ranks.py RANK STORE FOLDER`.

FOLDER/cases.json names the cases; each leaves a run folder FOLDER/<name>.
"""

import json
import os
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tiny_tokens import SHAPE, randomize
from torch import distributed as dist
from torch import nn
from toy_training import ToyModel, toy_config, toy_examples

from ltm3d.generator.model import Generator, GeneratorConfig
from ltm3d.training.checkpoints import files
from ltm3d.training.loop import DistContext
from ltm3d.training.worker import Job, run_worker

WORLD_SIZE = 2
CONFIG: dict[str, Any] = {
    "num_steps": 12,
    "global_batch_size": 8,
    "micro_batch_size": 2,
    "checkpoint_every": 6,
    "validate_every": 4,
    "ema_decay": 0.5,
    "grad_clip": 0.5,
}


class TokenExamples:
    """Random tokens and prompts for the smallest generator."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def example(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        own = np.random.default_rng(index)
        return {
            "mean": own.standard_normal((8, 4), np.float32),
            "std": np.full((8, 4), 0.1, np.float32),
            "image_tokens": own.standard_normal((5, 12), np.float32),
            "text_tokens": own.standard_normal((6, 10), np.float32),
            "text_mask": np.ones(6, bool),
        }


def tiny_generator() -> nn.Module:
    """Build a generator that trains in milliseconds a step."""
    config = GeneratorConfig(
        width=32, encoder_depth=2, decoder_depth=2, num_heads=4, num_prefix=3, denoiser_width=32, denoiser_depth=2
    )
    model = Generator(config, SHAPE)
    randomize(model)
    return model


def make_job(run_dir: Path, kind: str, broken: int | None, settings: dict[str, Any]) -> Job:
    """Describe one training; `kind` is `toy` or `generator`, `broken` the example whose loss is infinite."""
    is_toy = kind == "toy"
    return Job(
        name="toy",
        build_model=ToyModel if is_toy else tiny_generator,
        build_examples=toy_examples(broken=broken) if is_toy else partial(TokenExamples, 40),
        build_validation=toy_examples(count=11) if is_toy else partial(TokenExamples, 11),
        config=toy_config(**(CONFIG | settings)),
        run_dir=run_dir,
        working_directory=Path.cwd(),
        num_threads=1,
    )


def train_case(job: Job, context: DistContext) -> None:
    """Train to the end, or go on from the newest checkpoint."""
    job.run_dir.mkdir(parents=True, exist_ok=True)
    run_worker(job, context)


def main(rank: int, store: Path, folder: Path) -> None:
    """Train every case, and once more from its checkpoint in the middle."""
    os.environ |= {"LOCAL_RANK": str(rank), "RANK": str(rank), "WORLD_SIZE": str(WORLD_SIZE)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=WORLD_SIZE)
    context = DistContext(rank=rank, world_size=WORLD_SIZE)
    torch.manual_seed(rank)
    for name, case in json.loads((folder / "cases.json").read_text()).items():
        job = make_job(folder / name, case["kind"], case["broken"], case["settings"])
        train_case(job, context)
        if rank == 0:
            for checkpoint in files.committed(files.checkpoint_folder(job.run_dir, job.name))[1:]:
                (checkpoint.folder / files.COMMIT_FILE).unlink()
            (job.run_dir / "model.safetensors").rename(job.run_dir / "undisturbed.safetensors")
            shutil.copyfile(job.run_dir / "metrics.jsonl", job.run_dir / "undisturbed.jsonl")
        context.gather(None)
        train_case(job, context)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
