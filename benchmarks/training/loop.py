"""What the training loop and DeepSpeed add to a model's bare step, and how long training waits for data.

taskset -c 1 python -m benchmarks.training.loop → benchmarks/results/training.json (the key `cpu`)

CPU-seconds of one process with one thread, the two in turn, on the CPU size of the generator in fp32. The bare step has
its batch in memory: forward, backward, clipping, AdamW, and nothing else. The loop reads shards through memory maps, in
its thread, draws, measures each step's gradient and loss, and summarises them after every second step.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
import yaml
from torch import distributed as dist

from benchmarks.machine import describe
from ltm3d import schema
from ltm3d.generator.model import Generator, GeneratorConfig
from ltm3d.generator.token_model import TokenShape
from ltm3d.nn.randomness import StepRandom
from ltm3d.settings import convert
from ltm3d.shards.read import ShardSet
from ltm3d.shards.write import write_shard
from ltm3d.training.config import TrainingConfig
from ltm3d.training.data import training_batch
from ltm3d.training.engine import build_engine
from ltm3d.training.loop import Callbacks, DistContext, Metrics, run_steps

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "training.json"
SHAPE = TokenShape(num_tokens=64, token_dim=16, image_width=128, text_width=128)
NUM_VIEWS, NUM_IMAGE_TOKENS, NUM_TEXT_TOKENS, NUM_ASSETS = 4, 64, 24, 256
BATCH, STEPS_A_TURN, TURNS = 96, 2, 6
CPU = torch.device("cpu")
CONFIG = TrainingConfig(
    num_steps=STEPS_A_TURN, global_batch_size=BATCH, learning_rate=1e-4, precision="fp32", zero_stage=None
)


class MappedExamples:
    """Reads as `LatentExamples` does: moments and one random view of the conditions; all from memory maps."""

    def __init__(self, tokens: ShardSet, conditions: ShardSet) -> None:
        self.tokens = tokens
        self.conditions = conditions

    def __len__(self) -> int:
        return len(self.tokens)

    def example(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        views = self.conditions.get("image_tokens", index)
        return {
            "mean": np.asarray(self.tokens.get("mean", index)),
            "std": np.asarray(self.tokens.get("std", index)),
            "image_tokens": np.asarray(views[rng.integers(len(views))], dtype=np.float32),
            "text_tokens": np.asarray(self.conditions.get("text_tokens", index), dtype=np.float32),
            "text_mask": np.asarray(self.conditions.get("text_mask", index)),
        }


def main() -> None:
    """Measure all and keep what a GPU machine has measured."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        examples = write_examples(Path(folder))
        loop = compare_loop(examples)
        waits = {f"prefetch {ahead}": wait_share(examples, ahead) for ahead in (0, 2)}
        engines = compare_engines(examples, Path(folder))
    result = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
    result["cpu"] = {
        "machine": describe("torch", "deepspeed"),
        "batch": BATCH,
        "loop_over_bare_step": loop,
        "data_wait_share": waits,
        "deepspeed_over_torch": engines,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write(json.dumps(result["cpu"], indent=1) + "\n")


def write_examples(folder: Path) -> MappedExamples:
    """Write random tokens and conditions as shards."""
    rng = np.random.default_rng(0)
    uids = [f"asset{index:04d}" for index in range(NUM_ASSETS)]
    tokens = {name: [rng.standard_normal((64, 16), np.float32) for _ in uids] for name in ("mean", "std")}
    conditions = {
        "image_tokens": [rng.standard_normal((NUM_VIEWS, NUM_IMAGE_TOKENS, 128)).astype(np.float16) for _ in uids],
        "text_tokens": [rng.standard_normal((NUM_TEXT_TOKENS, 128)).astype(np.float16) for _ in uids],
        "text_mask": [np.ones(NUM_TEXT_TOKENS, bool) for _ in uids],
        "image_embedding": [np.zeros((NUM_VIEWS, 8), np.float32) for _ in uids],
        "text_embedding": [np.zeros(8, np.float32) for _ in uids],
    }
    for name, fields, arrays in (("tokens", schema.TOKENS, tokens), ("conditions", schema.CONDITIONS, conditions)):
        write_shard(
            folder / name / "shard-00000",
            fields=fields,
            arrays=arrays,
            uids=uids,
            records=[{}] * len(uids),
            rejects=[],
            key="bench",
        )
    return MappedExamples(ShardSet(folder / "tokens"), ShardSet(folder / "conditions"))


def build_model() -> Generator:
    """Build the CPU size, the same each time."""
    torch.manual_seed(0)
    settings = yaml.safe_load((ROOT / "conf" / "generator" / "cpu.yaml").read_text())
    return Generator(convert(settings, GeneratorConfig, "cpu.yaml"), SHAPE)


def looped(examples: MappedExamples, config: TrainingConfig, rows: list[Metrics]) -> Callable[[int], None]:
    """Give what runs a turn of steps through the loop."""
    engine = build_engine(build_model(), config, world_size=1, device=CPU)
    callbacks = Callbacks(metrics=lambda step, row: rows.append(row), checkpoint=lambda step: None)

    def run(turn: int) -> None:
        part = replace(config, num_steps=(turn + 1) * STEPS_A_TURN)
        first = turn * STEPS_A_TURN
        run_steps(
            engine,
            examples,
            None,
            config=part,
            context=DistContext(),
            average=None,
            first_step=first,
            callbacks=callbacks,
        )

    return run


def bare(examples: MappedExamples) -> Callable[[int], None]:
    """Give what runs a turn of the model's own steps on one batch in memory."""
    model = build_model().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=CONFIG.learning_rate, betas=CONFIG.betas, fused=True)
    batch = training_batch(examples, range(BATCH), seed=0, step=0, batch_size=BATCH)

    def run(turn: int) -> None:
        for step in range(turn * STEPS_A_TURN, (turn + 1) * STEPS_A_TURN):
            loss, _ = model.training_loss(batch, StepRandom(CONFIG.seed, step, range(BATCH)))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CONFIG.grad_clip)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return run


def alternate(runs: dict[str, Callable[[int], None]]) -> dict[str, list[float]]:
    """Run all in turn, turn by turn; CPU-seconds a step, the warm-up left out."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(TURNS + 1):
        for name in [*runs] if turn % 2 else [*reversed(runs)]:
            start = time.process_time()
            runs[name](turn)
            if turn:
                seconds[name].append((time.process_time() - start) / STEPS_A_TURN)
    return seconds


def compare_loop(examples: MappedExamples) -> dict[str, Any]:
    """Return the loop's CPU-seconds over the bare step's, of the same step of the same masks."""
    seconds = alternate({"loop": looped(examples, CONFIG, []), "bare": bare(examples)})
    ratios = [mine / theirs for mine, theirs in zip(seconds["loop"], seconds["bare"], strict=True)]
    return {
        "overhead": median(ratios) - 1,
        "overhead_of_turns": [round(ratio - 1, 4) for ratio in ratios],
        **{f"{name}_cpu_s_a_step": median(values) for name, values in seconds.items()},
    }


def wait_share(examples: MappedExamples, ahead: int) -> float:
    """Return the share of the steps' time spent waiting for data."""
    rows: list[Metrics] = []
    run = looped(examples, replace(CONFIG, prefetch=ahead), rows)
    for turn in range(3):
        run(turn)
    return median(row["train/data_wait_share"] for row in rows[1:])


def compare_engines(examples: MappedExamples, folder: Path) -> dict[str, Any]:
    """Return the CPU-seconds a step of each ZeRO stage, of one worker, over those of plain torch."""
    os.environ |= {"LOCAL_RANK": "0", "RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=0, world_size=1)
    runs = {
        "torch" if stage is None else f"zero {stage}": looped(examples, replace(CONFIG, zero_stage=stage), [])
        for stage in (None, 0, 1, 2, 3)
    }
    seconds = alternate(runs)
    dist.destroy_process_group()
    return {
        name: median(mine / theirs for mine, theirs in zip(values, seconds["torch"], strict=True))
        for name, values in seconds.items()
        if name != "torch"
    } | {"torch_cpu_s_a_step": median(seconds["torch"])}


if __name__ == "__main__":
    main()
