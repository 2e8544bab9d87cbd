"""Are the faster generator's shapes as good? Ours and the published recipe, trained alike on a checkout's own tokens.

python -m benchmarks.generator.quality [STEPS] → benchmarks/results/generator_quality.json

Run it in a checkout whose data/ has tokens, conditions, a tokenizer and an LTR (`dvc repro
train_ltr@sdf`). The same data, prompts, batches, steps and learning rates; ours in bf16 where there are
units, with 16 steps of flow matching, the reference in fp32, with 100 steps of DDPM. `ours` has guidance by prompts
and none by reconstruction, as the reference; the second row has reconstruction guidance and no other. Chamfer distance
of the decoded samples of the test split to their prompts' own shapes; intervals over assets.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.generator.plain_mar import PlainMar
from benchmarks.generator.speed import BY_RECONSTRUCTION, SAMPLING, settings_of
from benchmarks.machine import describe
from ltm3d.errors import AssetError
from ltm3d.generator.latent_data import LatentData
from ltm3d.generator.ltr import LTR
from ltm3d.generator.model import Generator, GeneratorConfig
from ltm3d.generator.prefix import Condition
from ltm3d.generator.sampling import sample_tokens
from ltm3d.generator.token_examples import LatentExamples
from ltm3d.geometry.surface_points import sample_surface
from ltm3d.metrics.bootstrap import bootstrap_interval
from ltm3d.metrics.surface import surface_metrics
from ltm3d.nn.randomness import StepRandom
from ltm3d.settings import convert
from ltm3d.shards.available import available
from ltm3d.shards.index import uids_of_split
from ltm3d.shards.meshes import MeshSet
from ltm3d.shards.read import ShardSet
from ltm3d.tokenizers.kinds import load_tokenizer
from ltm3d.tokenizers.tokenizer import DecodeConfig
from ltm3d.training.config import TrainingConfig, autocast_dtype, learning_rate_at
from ltm3d.training.data import training_batch

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "generator_quality.json"
DATA = Path("data")
NUM_STEPS, BATCH, LEARNING_RATE = 1500, 16, 2e-3
NUM_POINTS, RESOLUTION = 8_000, 64
Loss = Callable[[dict[str, torch.Tensor], StepRandom], torch.Tensor]


def main(num_steps: int) -> None:
    """Train both, sample both, measure both."""
    torch.set_num_threads(1)
    latents = LatentData.of(DATA, "sdf")
    config = convert(settings_of("generator"), GeneratorConfig, "cpu.yaml")
    shape, examples = latents.token_shape(), latents.train_examples()
    uids = uids_of_split(available(DATA, "tokens/sdf", "conditions"), "test")
    test = latents.examples(uids)
    dtype = autocast_dtype("auto", torch.device("cpu"))
    torch.manual_seed(0)
    ours, plain = Generator(config, shape), PlainMar(config, shape)
    rows = {}
    start = time.process_time()
    train(ours, lambda *given: ours.training_loss(*given)[0], examples, num_steps, dtype)
    trained = time.process_time()
    seeds, condition = range(len(uids)), condition_of(test)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype is not None):
        tokens = sample_tokens(ours.eval(), condition, config=SAMPLING, seeds=seeds)
    rows["ours"] = costs(trained - start, trained) | measure(tokens.float(), uids, latents)
    ltr = LTR.load(DATA / "models" / "ltr" / "sdf").eval()
    started = time.process_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype is not None), torch.no_grad():
        guess = ltr(condition).float()
        tokens = sample_tokens(ours, condition, config=BY_RECONSTRUCTION, seeds=seeds, reconstructed=guess)
    rows["ours, x̂ in place of guidance"] = costs(trained - start, started) | measure(tokens.float(), uids, latents)
    start = time.process_time()
    train(plain, plain.training_loss, examples, num_steps, None)
    trained = time.process_time()
    torch.manual_seed(0)
    tokens = plain.eval().sample(condition, num_steps=SAMPLING.num_steps, guidance_scale=SAMPLING.guidance_scale)
    rows["reference"] = costs(trained - start, trained) | measure(tokens, uids, latents)
    result = {
        "machine": describe("torch"),
        "steps": num_steps,
        "batch": BATCH,
        "test_assets": len(uids),
        "prompt": "image and text",
        "precision": "fp32" if dtype is None else "bf16",
        "rows": rows,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write(json.dumps(rows, indent=1) + "\n")


def train(
    model: torch.nn.Module, loss_of: Loss, examples: LatentExamples, num_steps: int, dtype: torch.dtype | None
) -> None:
    """Run the recipe's schedule with AdamW and clipping."""
    config = TrainingConfig(
        num_steps=num_steps,
        global_batch_size=BATCH,
        learning_rate=LEARNING_RATE,
        warmup_steps=100,
        lr_schedule="cosine",
        grad_clip=1.0,
        checkpoint_every=num_steps,
        validate_every=num_steps,
        seed=0,
    )
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=LEARNING_RATE, weight_decay=0.02, fused=True)
    for step in range(num_steps):
        batch = training_batch(examples, range(BATCH), seed=0, step=step, batch_size=BATCH)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype is not None):
            loss = loss_of(batch, StepRandom(0, step, range(BATCH)))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip or float("inf"))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(config, step)
        optimizer.step()


def condition_of(test: LatentExamples) -> Condition:
    """Both prompts of each test asset, its first view."""
    read = [
        [np.asarray(test.conditions.get(name, index)) for index in range(len(test))]
        for name in ("image_tokens", "text_tokens", "text_mask")
    ]
    given = torch.ones(len(test), dtype=torch.bool)
    return Condition(
        torch.from_numpy(np.stack([views[0] for views in read[0]]).astype(np.float32)),
        torch.from_numpy(np.stack(read[1]).astype(np.float32)),
        torch.from_numpy(np.stack(read[2])),
        has_image=given,
        has_text=given,
    )


def costs(training: float, began: float) -> dict[str, float]:
    """CPU-seconds of training and of sampling, which began at `began` and has just ended."""
    return {"training_cpu_s": round(training, 1), "sampling_cpu_s": round(time.process_time() - began, 1)}


def measure(tokens: torch.Tensor, uids: list[str], latents: LatentData) -> dict[str, Any]:
    """Decode and compare with the true shapes."""
    interval = bootstrap_interval(distances(tokens, uids, latents, resolution=RESOLUTION), seed=0)
    return {"chamfer_l1": interval.mean, "low": interval.low, "high": interval.high}


def distances(tokens: torch.Tensor, uids: list[str], latents: LatentData, *, resolution: int) -> list[float]:
    """Return the Chamfer distance of each decoded shape; an empty one counts as a point at the origin."""
    tokenizer = load_tokenizer(latents.tokenizer)
    meshes = MeshSet(ShardSet(DATA / "meshes", uids))
    found = []
    for row, truth in zip(tokens, meshes, strict=True):
        points = np.zeros((1, 3), np.float32)
        try:
            shape = tokenizer.decode_shape(tokenizer.denormalize(row), DecodeConfig(resolution=resolution))
            points = sample_surface(shape, NUM_POINTS, np.random.default_rng(1)).points  # type: ignore[arg-type]
        except AssetError:
            pass
        true = sample_surface(truth, NUM_POINTS, np.random.default_rng(0)).points
        found.append(surface_metrics(points, true, thresholds=(0.05,))["chamfer_l1"])
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else NUM_STEPS)
