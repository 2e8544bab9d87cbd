"""Tokens a second and share of the peak of the sizes `base` and `large` on one GPU, with plain torch in bf16.

python -m benchmarks.training.gpu [--peak-tflops T] → benchmarks/results/training.json (the key `gpu`)

Needs torch, numpy, safetensors, jaxtyping and pyyaml, and no Ray, DeepSpeed or data: tokens and prompts are random and
in memory. The largest batch that fits, from 512 downwards; 40 steps of the real loop, of which the last 30 count. Where
there is no GPU it says so and writes nothing. `--compile` also measures torch.compile, `--tiny` runs a small model on a
CPU to show that the recipe works.
"""

import argparse
import gc
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from ltm3d.generator.model import Generator, GeneratorConfig
from ltm3d.generator.sampling import SamplingConfig
from ltm3d.generator.sizes import measure_size
from ltm3d.generator.token_model import TokenShape
from ltm3d.settings import convert
from ltm3d.training.config import TrainingConfig
from ltm3d.training.engine import TorchEngine
from ltm3d.training.loop import Callbacks, DistContext, Metrics, run_steps
from pipelines.train_packed import device_name, peak_tflops

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "training.json"
NUM_IMAGE_TOKENS, NUM_TEXT_TOKENS = 257, 77  # DINOv2 with a 224-pixel image, CLIP
NUM_WARM_UP, NUM_MEASURED, MAX_BATCH = 10, 30, 512


class RandomExamples:
    """Tokens and prompts of full size; one set of numbers stands for all."""

    def __init__(self, shape: TokenShape) -> None:
        rng = np.random.default_rng(0)
        self.row = {
            "mean": rng.standard_normal((shape.num_tokens, shape.token_dim), np.float32),
            "std": np.full((shape.num_tokens, shape.token_dim), 0.1, np.float32),
            "image_tokens": rng.standard_normal((NUM_IMAGE_TOKENS, shape.image_width), np.float32),
            "text_tokens": rng.standard_normal((NUM_TEXT_TOKENS, shape.text_width), np.float32),
            "text_mask": np.ones(NUM_TEXT_TOKENS, bool),
        }

    def __len__(self) -> int:
        return 100_000

    def example(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return self.row


def main(arguments: list[str]) -> None:
    """Measure each size at 64 and at 512 tokens a shape."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peak-tflops", type=float, help="of the device in bf16, dense, where it is not a known one")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--tiny", action="store_true", help="the size `cpu` on a CPU; nothing is written")
    options = parser.parse_args(arguments)
    if not torch.cuda.is_available() and not options.tiny:
        sys.exit("no CUDA device here: nothing was measured; run it on a machine with a GPU")
    device = torch.device("cpu" if options.tiny else "cuda")
    context = DistContext(device=device, peak_tflops=peak_tflops(device, options.peak_tflops))
    rows = []
    for size in ("cpu",) if options.tiny else ("base", "large"):
        for num_tokens in (64, 512):
            for compiles in (False, True) if options.compile else (False,):
                rows.append(measure(size, num_tokens, compiles, context, max_batch=2 if options.tiny else MAX_BATCH))
                sys.stdout.write(json.dumps(rows[-1]) + "\n")
    if not options.tiny:
        result = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
        result["gpu"] = {"device": device_name(device), "torch": torch.__version__, "rows": rows}
        RESULT.write_text(json.dumps(result, indent=1) + "\n")


def measure(size: str, num_tokens: int, compiles: bool, context: DistContext, max_batch: int) -> dict[str, Any]:
    """Train some steps with the largest batch that fits."""
    settings = yaml.safe_load((ROOT / "conf" / "generator" / f"{size}.yaml").read_text())
    config = convert(settings, GeneratorConfig, f"{size}.yaml")
    shape = TokenShape(num_tokens=num_tokens, token_dim=32, image_width=768, text_width=512)
    counted = measure_size(
        config, shape, SamplingConfig(num_steps=1), num_condition_tokens=NUM_IMAGE_TOKENS + NUM_TEXT_TOKENS
    )
    batch = max_batch
    while True:
        training = TrainingConfig(
            num_steps=NUM_WARM_UP if context.device.type == "cuda" else 2,
            global_batch_size=batch,
            learning_rate=1e-4,
            precision="bf16",
            zero_stage=None,
            compile=compiles,
            log_every=1_000,
        )
        try:
            row = run(config, shape, training, context, counted.training_flops)
            break
        except torch.cuda.OutOfMemoryError:
            batch //= 2
        gc.collect()
        torch.cuda.empty_cache()
    return {
        "size": size,
        "num_parameters": sum(counted.parameters.values()),
        "tokens_a_shape": num_tokens,
        "compiled": compiles,
        "batch": batch,
        "training_tflops_per_sample": counted.training_flops / 1e12,
        "tokens_per_second": row["train/samples_per_second"] * num_tokens,
        **{name.removeprefix("train/"): value for name, value in row.items() if name in metrics()},
        "peak_bf16_dense_tflops": context.peak_tflops,
    }


def metrics() -> tuple[str, ...]:
    """The metrics of the loop that are reported."""
    return ("train/samples_per_second", "train/flop_utilisation", "train/memory_gib", "train/data_wait_share")


def run(
    config: GeneratorConfig, shape: TokenShape, training: TrainingConfig, context: DistContext, flops: int
) -> Metrics:
    """Warm up, then measure."""
    torch.manual_seed(0)
    engine = TorchEngine(Generator(config, shape), training, world_size=1, device=context.device)
    rows: list[Metrics] = []
    callbacks = Callbacks(metrics=lambda step, row: rows.append(row), checkpoint=lambda step: None)
    first = 0
    for num_steps in (training.num_steps, training.num_steps * (1 + NUM_MEASURED // NUM_WARM_UP)):
        run_steps(
            engine,
            RandomExamples(shape),
            None,
            config=replace(training, num_steps=num_steps),
            context=context,
            average=None,
            first_step=first,
            callbacks=callbacks,
            flops_per_sample=flops,
        )
        first = num_steps
    return rows[-1]


if __name__ == "__main__":
    main(sys.argv[1:])
