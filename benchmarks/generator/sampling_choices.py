"""Which choices of sampling are best, on the validation split: one changed at a time, for each head and the baseline.

python -m benchmarks.generator.sampling_choices [MODEL …] → benchmarks/results/sampling_choices.json

Run it in a checkout where `dvc repro train_ltr@sdf` has run. Four models are trained alike (the data, batches
and steps of quality.py): flow head, DDPM head with fixed and with learned variance, baseline; MODEL (flow, ddpm,
ddpm_learned, dit) asks for some of them. Each is sampled once a prompt, from images and from texts; metrics are Chamfer
distances to the prompt's own shape, and their paired differences to the recipe's sampling with intervals over assets.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.generator.quality import BATCH, DATA, condition_of, distances, train
from benchmarks.generator.speed import settings_of
from benchmarks.machine import describe
from ltm3d.diffusion.ddpm import Ddpm
from ltm3d.diffusion.flow_matching import FlowMatching
from ltm3d.generator.dit import Dit, DitConfig
from ltm3d.generator.latent_data import LatentData
from ltm3d.generator.ltr import LTR
from ltm3d.generator.model import Generator, GeneratorConfig
from ltm3d.generator.prefix import Condition
from ltm3d.generator.sampling import SamplingConfig, sample_at_once, sample_tokens
from ltm3d.generator.token_model import TokenShape
from ltm3d.metrics.bootstrap import bootstrap_interval
from ltm3d.settings import convert
from ltm3d.training.config import autocast_dtype

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "sampling_choices.json"
NUM_STEPS, RESOLUTION = 1500, 48

# Of SamplingConfig, or the flow itself
SHARED: dict[str, dict[str, Any]] = {
    "temperature 0.3": {"temperature": 0.3},
    "temperature 0.8": {"temperature": 0.8},
    "temperature 1": {"temperature": 1.0},
    "guidance 1": {"guidance_scale": 1.0},
    "guidance 3": {"guidance_scale": 3.0},
}
MASKED: dict[str, dict[str, Any]] = SHARED | {
    "p = 1": {"alpha_power": 1.0},
    "p = 4": {"alpha_power": 4.0},
    "α = 0.5": {"alpha_schedule": "constant"},
    "no reconstruction guidance": {"alpha_schedule": "off"},
    "guidance constant": {"guidance_schedule": "constant"},
    "linear schedule": {"schedule": "linear"},
    "6 steps": {"num_steps": 6},
    "16 steps": {"num_steps": 16},
    "32 steps": {"num_steps": 32},
}
FLOW: dict[str, dict[str, Any]] = {
    "Heun, half the flow's steps": {"flow": FlowMatching(num_steps=8, solver="heun")},
    "Euler, half the flow's steps": {"flow": FlowMatching(num_steps=8)},
    "Euler, twice the flow's steps": {"flow": FlowMatching(num_steps=32)},
}


def main(wanted: list[str]) -> None:
    """Train, sample and measure, one model after the other."""
    torch.set_num_threads(1)
    latents = LatentData.of(DATA, "sdf")
    shape, validation = latents.token_shape(), latents.val_examples()
    both = condition_of(validation)
    nothing = torch.zeros_like(both.has_image)
    prompts = {"image": replace(both, has_text=nothing), "text": replace(both, has_image=nothing)}
    ltr = LTR.load(DATA / "models" / "ltr" / "sdf").eval()
    with torch.no_grad():
        guesses = {name: ltr(condition) for name, condition in prompts.items()}
    base = convert(settings_of("sampling")["sampling"], SamplingConfig, "sampling")
    for name, (model, changes) in models(shape).items():
        if wanted and name not in wanted:
            continue
        train(
            model,
            lambda *given, model=model: model.training_loss(*given)[0],
            latents.train_examples(),
            NUM_STEPS,
            autocast_dtype("auto", torch.device("cpu")),
        )
        found = {
            change: {
                prompt: distances(
                    draw(model.eval(), condition, base, asked, guesses[prompt]),
                    latents.val_uids,
                    latents,
                    resolution=RESOLUTION,
                )
                for prompt, condition in prompts.items()
            }
            for change, asked in ({"the recipe's": {}} | changes).items()
        }
        rows = [row(change, prompt, found) for change in found for prompt in prompts]
        keep(name, {"validation_assets": len(validation), "rows": rows})


def keep(name: str, found: dict[str, Any]) -> None:
    """Write one model's rows beside the others'."""
    result = json.loads(RESULT.read_text()) if RESULT.is_file() else {"models": {}}
    result |= {"steps": NUM_STEPS, "batch": BATCH, "recipe": settings_of("sampling")["sampling"]}
    result["models"][name] = {"machine": describe("torch")} | found
    RESULT.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


def models(shape: TokenShape) -> dict[str, tuple[Generator | Dit, dict[str, dict[str, Any]]]]:
    """Build each model, with the changes that concern it."""
    config = convert(settings_of("generator"), GeneratorConfig, "cpu.yaml")
    baseline = convert(settings_of("generator", "dit_cpu"), DitConfig, "dit_cpu.yaml")
    torch.manual_seed(0)
    learned = replace(config, head="ddpm", ddpm=Ddpm(variance="learned"))
    return {
        "flow": (Generator(config, shape), MASKED | FLOW),
        "ddpm": (Generator(replace(config, head="ddpm"), shape), SHARED),
        "ddpm_learned": (Generator(learned, shape), SHARED),
        "dit": (Dit(baseline, shape), SHARED),
    }


def draw(
    model: Generator | Dit, condition: Condition, base: SamplingConfig, asked: dict[str, Any], guess: torch.Tensor
) -> torch.Tensor:
    """Sample once a prompt, in fp32; a flow of its own is the model's for this call."""
    asked, seeds = dict(asked), range(len(guess))
    flow = asked.pop("flow", None)
    config = replace(base, **asked)
    if isinstance(model, Dit):
        return sample_at_once(model, condition, config=config, seeds=seeds)
    own = model.config
    try:
        model.config = own if flow is None else replace(own, flow=flow)
        given = None if config.alpha_schedule == "off" else guess
        return sample_tokens(model, condition, config=config, seeds=seeds, reconstructed=given)
    finally:
        model.config = own


def row(change: str, prompt: str, found: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    """Give a mean, and its paired difference to the recipe's."""
    values, reference = (np.array(found[each][prompt]) for each in (change, "the recipe's"))
    difference = bootstrap_interval(values - reference, seed=0)
    return {
        "change": change,
        "prompt": prompt,
        "chamfer_l1": float(values.mean()),
        "difference": difference.mean,
        "low": difference.low,
        "high": difference.high,
    }


if __name__ == "__main__":
    main(sys.argv[1:])
