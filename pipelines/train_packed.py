"""Train the generator on a packed folder with plain torch, sample the test prompts, and measure.

Usage:
    python -m pipelines.train_packed FOLDER RESULT [--minutes M] [--device cuda|cpu] [--peak-tflops T]

Measures what a step takes, then trains as many as end in the given minutes. Killed, it goes on when it is called again
with the same folders and minutes. See docs/gpu.md.
"""

import argparse
import json
import logging
import resource
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from ltm3d.errors import ConfigError, Ltm3dError
from ltm3d.freshness.stage_code import ROOT, CodeReader
from ltm3d.generator.kinds import build_generator, build_trainable, uses_ltr
from ltm3d.generator.latent_data import LatentData
from ltm3d.generator.model import GeneratorConfig
from ltm3d.generator.shape_models import ShapeModels
from ltm3d.generator.sizes import measure_size
from ltm3d.nn.weights import PROVENANCE_FILE, load_state, weights_hash
from ltm3d.shards.manifest import key_of
from ltm3d.shards.read import ShardSet, read_shard
from ltm3d.tracking.provenance import git_state, stage_provenance
from ltm3d.training.budget import measure_costs
from ltm3d.training.checkpoints.files import METRICS_FILE, read_json, write_json
from ltm3d.training.config import TrainingConfig, autocast_dtype
from ltm3d.training.launch import TrainingResult, train_locally
from ltm3d.training.loop import DistContext
from ltm3d.training.progress import read_metrics
from ltm3d.transforms.sample_shapes import condition_rows, sample_prompts
from pipelines._packed import (
    GENERATOR,
    PACKED_FILE,
    RESULT_FILE,
    SAMPLES_FILE,
    SHARD,
    Packed,
    packed_digest,
    packed_latents,
    read_packed,
)

logger = logging.getLogger(__name__)

PLAN_FILE = "plan.json"
SHARE = 0.98  # of the minutes; the rest is for a device that slows down
PROMPTS_A_BATCH = 8  # test assets, each with all its prompts and seeds
LIBRARIES = ("numpy", "torch")  # whose versions are part of the digest of its code
# bf16 matrix units, dense, TFLOP/s, as NVIDIA states them; the first name that the device's contains
PEAK_TFLOPS = {"H100 PCIe": 756.0, "H100 NVL": 835.0, "H100": 989.0, "H200": 989.0, "A100": 312.0}


def main(arguments: Sequence[str]) -> None:
    """Train, sample and write the result."""
    started = time.perf_counter()
    parser = argparse.ArgumentParser(prog="python -m pipelines.train_packed", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="what `python -m pipelines.pack` wrote")
    parser.add_argument("result", type=Path, help="a folder of this run")
    parser.add_argument("--minutes", type=float, default=10.0, help="in which training ends; sampling comes after")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--peak-tflops", type=float, help="of the device in bf16, where it is not a known one")
    options = parser.parse_args(arguments)
    if options.minutes <= 0:
        raise ConfigError(f"--minutes is {options.minutes:g}; it must be above 0")
    context = DistContext(device=torch.device(options.device))
    packed, result = read_packed(options.folder), options.result
    code = CodeReader().of("train_packed", item=packed.representation)
    made = stage_provenance(
        code, kinds=(), state=git_state(ROOT), seed=packed.training.seed, device=context.device.type
    )
    result.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(options.folder / PACKED_FILE, result / PACKED_FILE)
    latents = packed_latents(options.folder, packed)
    key = key_of(packed_digest(options.folder), options.minutes)
    plan = make_plan(options.folder, packed, latents, context, key, result, 60 * options.minutes * SHARE, started)
    training = replace(packed.training, num_steps=plan["num_steps"])
    logger.info("%d steps in %g minutes on %s", training.num_steps, options.minutes, device_name(context.device))
    if context.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(context.device)
    trained = fit(options.folder, packed, latents, training, context, result / "run", key)
    training_seconds, memory = time.perf_counter() - started, peak_memory(context.device)
    save_generator(packed, latents, trained, result / GENERATOR)
    write_json(result / GENERATOR / PROVENANCE_FILE, [made])
    models = load_models(options.folder, result / GENERATOR, context.device)
    seconds_per_shape = measure_sampling(options.folder, packed, models, context)
    save_file({"tokens": sample_test_prompts(options.folder, packed, models, context)}, result / SAMPLES_FILE)
    rows, metrics = measured_speed(packed, latents, result / "run", peak_tflops(context.device, options.peak_tflops))
    (result / METRICS_FILE).write_text("".join(json.dumps(row) + "\n" for row in rows))
    document = {
        "recipe": packed.recipe,
        "commit": packed.commit,
        "device": device_name(context.device),
        "torch": torch.__version__,
        "precision": str(autocast_dtype(training.precision, context.device) or torch.float32).removeprefix("torch."),
        "minutes": options.minutes,
        "training_seconds_of_last_call": training_seconds,
        "resumed_from": trained.resumed_from,
        "num_steps": trained.steps,
        "global_batch_size": training.global_batch_size,
        "num_parameters": trained.num_parameters,
        "num_training_assets": len(packed.train_uids),
        "measured_costs_seconds": plan["costs"],
        "peak_memory_bytes": memory,
        "sampling_steps": packed.sampling.sampling.num_steps,
        "seconds_per_shape": seconds_per_shape,
        "generator_hash": weights_hash(result / GENERATOR),
        "metrics": trained.metrics,
        **metrics,
    }
    write_json(result / RESULT_FILE, document)
    logger.info("%s", json.dumps(document, indent=1))


def make_plan(
    folder: Path,
    packed: Packed,
    latents: LatentData,
    context: DistContext,
    key: str,
    result: Path,
    seconds: float,
    started: float,
) -> dict[str, Any]:
    """Choose the number of steps, or take it over from a call that was killed."""
    plan = read_json(result / PLAN_FILE)
    if plan.get("key") == key:
        return plan
    costs = measure_costs(
        builder(folder, packed, latents),
        latents.train_examples(),
        latents.val_examples(),
        config=packed.training,
        context=context,
        seconds=seconds,
        scratch=result,
    )
    left = seconds - (time.perf_counter() - started)
    plan = {"key": key, "num_steps": costs.steps_within(left, packed.training), "costs": asdict(costs)}
    write_json(result / PLAN_FILE, plan)
    return plan


def builder(folder: Path, packed: Packed, latents: LatentData) -> partial:
    """Return what builds the model to be trained."""
    ltr = folder / "ltr" if uses_ltr(packed.model) else None
    return partial(build_trainable, packed.model, latents.token_shape(), latents.condition_statistics(), ltr)


def fit(
    folder: Path,
    packed: Packed,
    latents: LatentData,
    training: TrainingConfig,
    context: DistContext,
    run_dir: Path,
    key: str,
) -> TrainingResult:
    """Train, or go on."""
    return train_locally(
        name=f"train_generator_{packed.representation}",
        build_model=builder(folder, packed, latents),
        build_examples=latents.train_examples,
        build_validation=latents.val_examples,
        config=training,
        run_dir=run_dir,
        run_key=key,
        device=context.device,
    )


def save_generator(packed: Packed, latents: LatentData, trained: TrainingResult, folder: Path) -> None:
    """Write the weights as a model folder, as the stage does."""
    model = build_generator(packed.model, latents.token_shape())
    load_state(model, load_file(trained.weights), str(trained.weights))
    model.save(folder, tokenizer_hash=packed.hashes["tokenizer"])


def load_models(folder: Path, generator: Path, device: torch.device) -> ShapeModels:
    """Read all three models onto the device."""
    models = ShapeModels.load(tokenizer=folder / "tokenizer", ltr=folder / "ltr", generator=generator)
    for model in (models.tokenizer, models.ltr, models.generator):
        model.to(device)
    return models


def measure_sampling(
    folder: Path, packed: Packed, models: ShapeModels, context: DistContext, repeats: int = 3
) -> float:
    """Return the median seconds of one shape's tokens, alone in its batch, in fp32; decoding is not in it."""
    shard = read_shard(folder / "prompts" / SHARD)
    condition = condition_rows(shard, [0], [packed.sampling.prompts[0]], view=0).to(context.device)
    seconds = []
    for seed in range(1 + repeats):
        started = time.perf_counter()
        models.generate(condition, seeds=[seed], config=packed.sampling.sampling)
        context.wait()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])  # the first warms up


def sample_test_prompts(folder: Path, packed: Packed, models: ShapeModels, context: DistContext) -> torch.Tensor:
    """Generate the tokens [N, L, D] of `list_prompts(packed.test_uids, packed.sampling)`."""
    shard = read_shard(folder / "prompts" / SHARD)
    config = replace(packed.sampling, view=0)  # the prompt's view is the only one there
    uids = packed.test_uids
    batches = [uids[first : first + PROMPTS_A_BATCH] for first in range(0, len(uids), PROMPTS_A_BATCH)]
    return torch.cat([sample_prompts(models, shard, batch, config, context.device) for batch in batches]).contiguous()


def measured_speed(
    packed: Packed, latents: LatentData, run_dir: Path, peak: float | None
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the rows of the run with tokens a second and FLOP utilisation, and the medians over the run.

    Args:
        peak: of the device, TFLOP/s.
    """
    shape = latents.token_shape()
    rows: list[dict[str, Any]] = [dict(row) for row in read_metrics(run_dir)]
    flops = None
    if isinstance(packed.model, GeneratorConfig):
        conditions = ShardSet(latents.conditions, latents.train_uids[:1])
        lengths = conditions.get("image_tokens", 0).shape[1], conditions.get("text_tokens", 0).shape[0]
        size = measure_size(packed.model, shape, packed.sampling.sampling, num_condition_tokens=sum(lengths))
        flops = size.training_flops
    for row in rows:
        row["train/tokens_per_second"] = row["train/samples_per_second"] * shape.num_tokens
        if flops is not None and peak is not None:
            row["train/flop_utilisation"] = row["train/samples_per_second"] * flops / (peak * 1e12)
    names = ("samples_per_second", "tokens_per_second", "flop_utilisation")
    present = [name for name in names if f"train/{name}" in rows[-1]]
    medians = {name: statistics.median(row[f"train/{name}"] for row in rows) for name in present}
    return rows, {"training_flops_per_sample": flops, "peak_bf16_dense_tflops": peak, **medians}


def device_name(device: torch.device) -> str:
    """Name the device as its driver does."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def peak_tflops(device: torch.device, given: float | None) -> float | None:
    """Return the dense bf16 peak that utilisation is a share of; None where it is not known."""
    if given is not None:
        return given
    name = device_name(device)
    return next((peak for part, peak in PEAK_TFLOPS.items() if part in name), None)


def peak_memory(device: torch.device) -> int:
    """Return the most bytes that were held: on a GPU by tensors in training, else by the whole process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt as error:
        sys.stderr.write(f"{error}\n" if str(error) else "stopped\n")
        sys.exit(130)
    except Ltm3dError as error:
        sys.exit(f"error: {error}")
