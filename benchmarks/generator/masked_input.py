"""Masked positions that carry the mask token against such that carry x̂: trained alike, at equal CPU-seconds.

python -m benchmarks.generator.masked_input [VARIANT …] [--seconds S] [--seeds N] → benchmarks/results/masked_input.json

Run it in a checkout where `dvc repro train_ltr@sdf` has run; all variants share its data, encoders, tokens and LTR.
Each is trained for S CPU-seconds a seed, x̂ included, and samples twice a prompt. Metrics are Chamfer distances to the
prompt's own shape, less those of LTR's direct guess on the same assets (paired, interval over assets and trainings);
and the spread: how far the surface of one sample is from another's of the same prompt, apart for what the prompt's
camera sees of the sample and for what it does not.
"""

import argparse
import json
import sys
import time
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.generator.quality import BATCH, DATA, LEARNING_RATE, condition_of
from benchmarks.generator.speed import settings_of
from benchmarks.machine import describe
from ltm3d.errors import AssetError
from ltm3d.generator.latent_data import LatentData
from ltm3d.generator.ltr import LTR
from ltm3d.generator.model import Generator, GeneratorConfig
from ltm3d.generator.sampling import SamplingConfig, sample_tokens
from ltm3d.generator.token_examples import LatentExamples
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.raycasting import RayScene
from ltm3d.geometry.surface_points import SurfaceSamples, sample_surface
from ltm3d.metrics.bootstrap import bootstrap_change
from ltm3d.metrics.surface import chamfer_l1, nearest
from ltm3d.nn.randomness import StepRandom
from ltm3d.settings import convert
from ltm3d.shards.available import available
from ltm3d.shards.index import uids_of_split
from ltm3d.shards.meshes import MeshSet
from ltm3d.shards.read import ShardSet
from ltm3d.tokenizers.kinds import load_tokenizer
from ltm3d.tokenizers.tokenizer import DecodeConfig, Tokenizer
from ltm3d.training.config import TrainingConfig, autocast_dtype, learning_rate_at
from ltm3d.training.data import training_batch
from ltm3d.training.optimizer import build_optimizer

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "masked_input.json"
NUM_POINTS, RESOLUTION, NUM_SAMPLES = 4_000, 64, 2
OFFSET = 0.02  # how far a point is moved towards the camera before its sight is asked for, against its own facet
SCHEDULE_STEPS = 1_000_000  # the schedule's progress is that of the CPU-seconds

MODELS: dict[str, dict[str, Any]] = {
    "mask_token": {"masked_input": "mask_token"},
    "guess": {"masked_input": "guess"},
    "guess, noise 0": {"masked_input": "guess", "guess_noise": 0.0},
    "guess, noise 0.5": {"masked_input": "guess", "guess_noise": 0.5},
    "guess, noise 1": {"masked_input": "guess", "guess_noise": 1.0},
    "guess, no mask token alone": {"masked_input": "guess", "guess_dropout": 0.0},
    "guess, mask token alone 0.3": {"masked_input": "guess", "guess_dropout": 0.3},
}
RGS = {"alpha_schedule": "power", "alpha_power": 2.0}
SAMPLINGS: dict[str, dict[str, Any]] = {
    "temperature 0.3": {"temperature": 0.3},
    "temperature 0.3, RGS": {"temperature": 0.3} | RGS,
    "temperature 0.5, RGS, guidance 2": {"temperature": 0.5, "guidance_scale": 2.0} | RGS,  # conf/sampling/cpu.yaml
    "temperature 1": {"temperature": 1.0},
    "temperature 1, RGS": {"temperature": 1.0} | RGS,
}
BASE = SamplingConfig(num_steps=12, guidance_scale=1.0, alpha_schedule="off")


def main(argv: list[str]) -> None:
    """Train, sample and measure, one variant after the other."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("variants", nargs="*", default=[*MODELS])
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--assets", type=int, default=None, help="the first so many test assets; default all")
    parser.add_argument("--samplings", nargs="*", default=[*SAMPLINGS], choices=[*SAMPLINGS])
    parser.add_argument("--out", type=Path, default=RESULT)
    asked = parser.parse_args(argv)
    torch.set_num_threads(1)
    trial = Trial(asked.assets)
    result = json.loads(asked.out.read_text()) if asked.out.is_file() else {"models": {}}
    result |= {"test_assets": len(trial.uids), "seconds": asked.seconds, "machine": describe("torch")}
    result |= {"guess": {kind: float(found.mean()) for kind, found in trial.guess_distances.items()}}
    for name in asked.variants:
        key = f"{name}, from seed {asked.first_seed}" if asked.first_seed else name
        rows = [
            trial.run(MODELS[name], asked.samplings, seed, asked.seconds)
            for seed in range(asked.first_seed, asked.first_seed + asked.seeds)
        ]
        result["models"][key] = summary(rows, trial.guess_distances)
        asked.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
        sys.stdout.write(f"{key}\n{json.dumps(result['models'][key], indent=1)}\n")


class Trial:
    """What all variants share: examples, prompts, x̂ and true surfaces."""

    def __init__(self, num_assets: int | None) -> None:
        self.latents = LatentData.of(DATA, "sdf")
        self.shape = self.latents.token_shape()
        self.examples = self.latents.train_examples()
        self.tokenizer = load_tokenizer(self.latents.tokenizer)
        self.ltr = LTR.load(DATA / "models" / "ltr" / "sdf")
        self.uids = uids_of_split(available(DATA, "tokens/sdf", "conditions"), "test")[:num_assets]
        both = condition_of(self.latents.examples(self.uids))
        nothing = torch.zeros_like(both.has_image)
        self.prompts = {"image": replace(both, has_text=nothing), "text": replace(both, has_image=nothing)}
        self.prompts["both"] = both
        self.truths = [points_of(mesh, seed=0) for mesh in MeshSet(ShardSet(DATA / "meshes", self.uids))]
        views = ShardSet(DATA / "views", self.uids)
        self.eyes = [np.array(views.get("cameras", index)[0][:3, 3]) for index in range(len(self.uids))]
        with torch.no_grad():
            self.guesses = {kind: self.ltr(prompt) for kind, prompt in self.prompts.items()}
        self.guess_distances = {
            kind: self.distances(decode(self.tokenizer, tokens)) for kind, tokens in self.guesses.items()
        }

    def run(self, changes: dict[str, Any], samplings: list[str], seed: int, seconds: float) -> dict[str, Any]:
        """Train one generator, and measure its samples."""
        config = convert(settings_of("generator") | changes, GeneratorConfig, "cpu.yaml")
        torch.manual_seed(seed)
        model = Generator(config, self.shape)
        model.set_condition_statistics(self.latents.condition_statistics())
        model.reconstruct_with(self.ltr)
        steps, loss = train_for(model, self.examples, seconds, seed)
        found = {name: self.sample(model.eval(), replace(BASE, **SAMPLINGS[name])) for name in samplings}
        return {"steps": steps, "loss": loss, "found": found}

    def sample(self, model: Generator, config: SamplingConfig) -> dict[str, dict[str, np.ndarray]]:
        """Sample each kind of prompt; distances are means over a prompt's samples."""
        found = {}
        for kind, prompt in self.prompts.items():
            decoded, start = [], time.process_time()
            for number in range(NUM_SAMPLES):
                seeds = [number * len(self.uids) + index for index in range(len(self.uids))]
                tokens = sample_tokens(model, prompt, config=config, seeds=seeds, reconstructed=self.guesses[kind])
                decoded.append(decode(self.tokenizer, tokens))
            seconds = (time.process_time() - start) / (NUM_SAMPLES * len(self.uids))
            each = np.stack([self.distances(meshes) for meshes in decoded])
            found[kind] = {"distance": each.mean(0), "seconds": np.array(seconds)} | self.spread(decoded)
        return found

    def distances(self, meshes: list[Mesh | None]) -> np.ndarray:
        """Chamfer distance of each shape to the true one; an empty one counts as a point at the origin."""
        return np.array(
            [
                chamfer_l1(nowhere() if mesh is None else points_of(mesh, seed=1).points, truth.points)
                for mesh, truth in zip(meshes, self.truths, strict=True)
            ]
        )

    def spread(self, decoded: list[list[Mesh | None]]) -> dict[str, np.ndarray]:
        """Mean distance from a sample's surface to another's of the same prompt, where the camera sees it and not."""
        rows = []
        for eye, *meshes in zip(self.eyes, *decoded, strict=True):
            surfaces = [(points_of(mesh, seed=2), mesh) for mesh in meshes if mesh is not None]
            seen, hidden = [], []
            for (surface, mesh), (other, _) in permutations(surfaces, 2):
                distance, visible = nearest(surface.points, other.points)[0], is_seen(mesh, surface, eye)
                seen.append(distance[visible].mean() if visible.any() else np.nan)
                hidden.append(distance[~visible].mean() if (~visible).any() else np.nan)
            rows.append((np.nanmean(seen), np.nanmean(hidden)) if seen else (np.nan, np.nan))
        spread = np.array(rows)
        return {"seen": spread[:, 0], "hidden": spread[:, 1]}


def train_for(model: Generator, examples: LatentExamples, seconds: float, seed: int) -> tuple[int, float]:
    """Train by the recipe's settings for so many CPU-seconds; return the steps and the loss of the last fifth."""
    config = TrainingConfig(
        num_steps=SCHEDULE_STEPS,
        global_batch_size=BATCH,
        learning_rate=LEARNING_RATE,
        warmup_steps=SCHEDULE_STEPS // 8,
        lr_schedule="cosine",
        grad_clip=1.0,
    )
    dtype = autocast_dtype("auto", torch.device("cpu"))
    optimizer = build_optimizer(model.train(), config)
    losses: list[float] = []
    start = time.process_time()
    while (spent := (time.process_time() - start) / seconds) < 1:
        step = len(losses)
        batch = training_batch(examples, range(BATCH), seed=seed, step=step, batch_size=BATCH)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype is not None):
            loss, _ = model.training_loss(batch, StepRandom(seed, step, range(BATCH)))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(config, int(spent * SCHEDULE_STEPS))
        optimizer.step()
        losses.append(loss.item())
    return len(losses), float(np.mean(losses[-len(losses) // 5 :]))


def decode(tokenizer: Tokenizer, tokens: Tensor) -> list[Mesh | None]:
    """Decode each row; None = empty."""
    shapes: list[Mesh | None] = []
    for row in tokens:
        try:
            shape = tokenizer.decode_shape(tokenizer.denormalize(row), DecodeConfig(resolution=RESOLUTION))
            assert isinstance(shape, Mesh)
            shapes.append(shape)
        except AssetError:
            shapes.append(None)
    return shapes


def points_of(mesh: Mesh, *, seed: int) -> SurfaceSamples:
    """Draw the surface's points."""
    return sample_surface(mesh, NUM_POINTS, np.random.default_rng(seed))


def nowhere() -> np.ndarray:
    """What an empty shape is measured as."""
    return np.zeros((1, 3), np.float32)


def is_seen(mesh: Mesh, surface: SurfaceSamples, eye: np.ndarray) -> np.ndarray:
    """Say which points of a surface lie in sight of the camera."""
    ways = eye[None].astype(np.float32) - surface.points
    start = surface.points + OFFSET * ways / np.linalg.norm(ways, axis=1, keepdims=True)
    facing = (surface.normals * ways).sum(1) > 0
    return np.asarray(facing & ~RayScene(mesh).is_blocked(start, ways))


def summary(rows: list[dict[str, Any]], guesses: dict[str, np.ndarray]) -> dict[str, Any]:
    """Join the trainings of one variant: means, and differences to the guess over assets and trainings."""
    table: dict[str, Any] = {"trainings": len(rows), "steps": [row["steps"] for row in rows]}
    table["loss"] = [round(row["loss"], 4) for row in rows]
    for name in rows[0]["found"]:
        for kind, guess in guesses.items():
            found = [row["found"][name][kind] for row in rows]
            values = np.stack([each["distance"] for each in found])
            change = bootstrap_change(values, guess[None], seed=0)
            seen, hidden = (float(np.nanmean([each[part] for each in found])) for part in ("seen", "hidden"))
            table[f"{name}: {kind}"] = {
                "chamfer_l1": round(float(values.mean()), 4),
                "less_guess": [round(change.mean, 4), round(change.low, 4), round(change.high, 4)],
                "trainings": [round(float(value), 4) for value in values.mean(1)],
                "spread_seen": round(seen, 4),
                "spread_hidden": round(hidden, 4),
                "hidden_over_seen": round(hidden / seen, 2) if seen else None,
                "sampling_cpu_s": round(float(np.mean([each["seconds"] for each in found])), 3),
            }
    return table


if __name__ == "__main__":
    main(sys.argv[1:])
