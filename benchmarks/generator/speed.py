"""A training step and a sample of our generator against the published recipe, of the same size on the same prompts.

python -m benchmarks.generator.speed → benchmarks/results/generator_speed.json

CPU-seconds of one thread, the two in turn. Prompts and tokens are random: what is computed does not depend on them.
Quality is not measured here.
"""

import copy
import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from benchmarks.generator.plain_mar import PlainMar
from benchmarks.machine import describe
from ltm3d.generator.ltr import LTR, LTRConfig
from ltm3d.generator.model import Generator, GeneratorConfig
from ltm3d.generator.prefix import Condition
from ltm3d.generator.sampling import SamplingConfig, sample_tokens
from ltm3d.generator.token_model import TokenShape
from ltm3d.nn.randomness import StepRandom
from ltm3d.settings import convert
from ltm3d.training.blocks import prepare_blocks

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "generator_speed.json"
SHAPE = TokenShape(num_tokens=64, token_dim=16, image_width=128, text_width=128)
NUM_IMAGE_TOKENS, NUM_TEXT_TOKENS = 64, 24
BATCH, NUM_SAMPLES = 32, 8
ROUNDS, WARM_UP = 7, 3
SAMPLING = SamplingConfig(num_steps=16, alpha_schedule="off")
BY_RECONSTRUCTION = SamplingConfig(num_steps=16, guidance_scale=1.0)


def main() -> None:
    """Measure fp32, and bf16 where the processor has units for it."""
    torch.set_num_threads(1)
    config = convert(settings_of("generator"), GeneratorConfig, "cpu.yaml")
    torch.manual_seed(0)
    ours, plain = Generator(config, SHAPE), PlainMar(config, SHAPE)
    ltr = LTR(convert(settings_of("ltr"), LTRConfig, "cpu.yaml"), SHAPE)
    has_bf16 = "avx512_bf16" in Path("/proc/cpuinfo").read_text() or "amx_bf16" in Path("/proc/cpuinfo").read_text()
    rows = {}
    for precision in ("fp32", "bf16") if has_bf16 else ("fp32",):
        cast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
        with cast:
            mine = training_step(copy.deepcopy(ours), lambda model, *given: model.training_loss(*given)[0])
        theirs = training_step(copy.deepcopy(plain), lambda model, *given: model.training_loss(*given))
        rows[f"training step, {precision}"] = compare(cast, mine, theirs)
        if shutil.which("g++"):
            compiled = copy.deepcopy(ours)
            prepare_blocks(compiled, recompute=False, compiles=True)
            mine = training_step(compiled, lambda model, *given: model.training_loss(*given)[0])
            rows[f"training step, {precision}, compiled"] = compare(cast, mine, theirs)
        mine, guided, theirs = samplers(ours, ltr, plain)
        rows[f"sampling, {precision}"] = compare(cast, mine, theirs)
        rows[f"sampling, x̂ in place of guidance, {precision}"] = compare(cast, guided, theirs)
    result = {
        "machine": {**describe("torch"), "has_bf16_units": has_bf16},
        "batch": BATCH,
        "samples": NUM_SAMPLES,
        "steps": {"ours": config.flow.num_steps, "reference": plain.ddpm.num_steps},
        "ratios": {name: row["ratio"] for name, row in rows.items()},
        "rows": rows,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write(json.dumps(result["ratios"], indent=1) + "\n")


def settings_of(group: str, option: str = "cpu") -> dict[str, Any]:
    """Read one file of conf/."""
    return yaml.safe_load((ROOT / "conf" / group / f"{option}.yaml").read_text())


def batch_of(count: int) -> dict[str, torch.Tensor]:
    """Random latents and prompts."""
    return {
        "mean": torch.randn(count, SHAPE.num_tokens, SHAPE.token_dim),
        "std": torch.full((count, SHAPE.num_tokens, SHAPE.token_dim), 0.1),
        "image_tokens": torch.randn(count, NUM_IMAGE_TOKENS, SHAPE.image_width),
        "text_tokens": torch.randn(count, NUM_TEXT_TOKENS, SHAPE.text_width),
        "text_mask": torch.ones(count, NUM_TEXT_TOKENS, dtype=torch.bool),
    }


def training_step(model: torch.nn.Module, loss_of: Callable[..., torch.Tensor]) -> Callable[[int], None]:
    """Give what runs forward, backward and AdamW for a step number."""
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=1e-4, fused=isinstance(model, Generator))
    batch = batch_of(BATCH)

    def run(step: int) -> None:
        loss = loss_of(model, batch, StepRandom(0, step, range(BATCH)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return run


def samplers(ours: Generator, ltr: LTR, plain: PlainMar) -> tuple[Callable[[int], None], ...]:
    """Give what samples the same prompts in as many steps: with guidance by prompts as the reference, and with x̂ alone.

    The second is the paper's reconstruction guidance, without classifier-free guidance, which brings nothing beside it
    (docs/results.md): one branch in place of two, and the module once a prompt.
    """
    batch = batch_of(NUM_SAMPLES)
    given = torch.ones(NUM_SAMPLES, dtype=torch.bool)
    condition = Condition(batch["image_tokens"], batch["text_tokens"], batch["text_mask"], given, given)
    for model in (ours, ltr, plain):
        model.eval()

    def mine(step: int) -> None:
        sample_tokens(ours, condition, config=SAMPLING, seeds=range(step, step + NUM_SAMPLES))

    def guided(step: int) -> None:
        with torch.no_grad():
            guess = ltr(condition)
        seeds = range(step, step + NUM_SAMPLES)
        sample_tokens(ours, condition, config=BY_RECONSTRUCTION, seeds=seeds, reconstructed=guess)

    def theirs(step: int) -> None:
        plain.sample(condition, num_steps=SAMPLING.num_steps, guidance_scale=SAMPLING.guidance_scale)

    return mine, guided, theirs


def compare(cast: torch.autocast, mine: Callable[[int], None], theirs: Callable[[int], None]) -> dict[str, float]:
    """Run both in turn, after some rounds that compile and warm up; the reference is always fp32."""
    seconds: dict[str, list[float]] = {"ours": [], "reference": []}
    for step in range(WARM_UP + ROUNDS):
        start = time.process_time()
        with cast:
            mine(step)
        middle = time.process_time()
        theirs(step)
        if step >= WARM_UP:
            seconds["ours"].append(middle - start)
            seconds["reference"].append(time.process_time() - middle)
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    return {"ratio": medians["reference"] / medians["ours"], **{f"{name}_cpu_s": v for name, v in medians.items()}}


if __name__ == "__main__":
    main()
