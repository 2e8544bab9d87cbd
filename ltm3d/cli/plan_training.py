"""`ltm3d plan --train`: steps, GPU hours, disk and the memory of a GPU of a generator's training on a cluster."""

import math
from pathlib import Path
from typing import Any

import torch

from ltm3d.cli.models import read_option
from ltm3d.errors import ConfigError
from ltm3d.generator.memory import activation_bytes
from ltm3d.generator.model import GeneratorConfig
from ltm3d.generator.sampling import SamplingConfig
from ltm3d.generator.sizes import measure_size
from ltm3d.generator.token_model import TokenShape
from ltm3d.settings import convert
from ltm3d.training.config import TrainingConfig, micro_batch_size
from ltm3d.training.estimate import disk_bytes, state_bytes

OPTIMIZER = ("master", "moments", "gradients")
ROWS: dict[str, tuple[int, tuple[str, ...]]] = {  # → ZeRO stage, and what lies in the host's memory
    **{f"ZeRO {stage}": (stage, ()) for stage in range(4)},
    "ZeRO 2, offload optimizer": (2, OPTIMIZER),
    "ZeRO 3, offload parameters": (3, (*OPTIMIZER, "parameters")),
}


def plan_training(
    size: str,
    *,
    token_shape: tuple[int, int],
    condition_shape: tuple[int, int],
    num_samples: float,
    batch: int,
    micro_batch: int | None,
    num_gpus: int,
    rate: float | None,
    tflops: float,
    price_per_hour: float,
    conf: Path = Path("conf"),
) -> dict[str, Any]:
    """Work out everything; the keys are those of the JSON.

    Args:
        token_shape: (L, D) of a shape.
        condition_shape: tokens of image and text, and their channels.
        num_samples: assets of the train split, times how often each is seen.
        rate: samples a second of one GPU, measured; None = `tflops` over the operations of a sample.
        tflops: what the model gets of a GPU, not its peak.
        price_per_hour: of the whole cluster.

    Raises:
        ConfigError: conf/ has no such size, or the batch does not divide over the GPUs and micro-batches.
    """
    path = conf / "generator" / f"{size}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in path.parent.glob("*.yaml"))) or "none, is this a checkout?"
        raise ConfigError(f"{path} is not there; the sizes are: {known}")
    config = convert(read_option(path), GeneratorConfig, str(path))
    training = TrainingConfig(num_steps=1, global_batch_size=batch, learning_rate=1.0, micro_batch_size=micro_batch)
    held = micro_batch_size(training, num_gpus)
    (num_tokens, token_dim), (num_conditions, width) = token_shape, condition_shape
    shape = TokenShape(num_tokens=num_tokens, token_dim=token_dim, image_width=width, text_width=width)
    measured = measure_size(config, shape, SamplingConfig(), num_condition_tokens=num_conditions)
    fixed, each = activation_bytes(config, shape, num_condition_tokens=num_conditions, precision=torch.bfloat16)
    num_parameters = sum(measured.parameters.values())
    activations = fixed + each * held
    runs = 4 / 3 if config.recompute_activations else 1  # backward takes twice forward, which runs once more
    speed = rate or tflops * 1e12 / (measured.training_flops * runs)
    steps = math.ceil(num_samples / batch)
    hours = steps * batch / num_gpus / speed / 3600
    checkpoint, disk = disk_bytes(num_parameters, keep=training.keep_checkpoints, has_average=True)
    memory = {}
    for name, (stage, offloaded) in ROWS.items():
        states = state_bytes(num_parameters, world_size=num_gpus, zero_stage=stage)
        host = sum(states.pop(kind) for kind in offloaded)
        memory[name] = {"gpu_gb": (sum(states.values()) + activations) / 1e9, "host_gb": host / 1e9}
    guessed = (
        f"guessed from {tflops:g} TFLOP/s (--tflops): train on one GPU and give train/samples_per_second as --rate"
    )
    return {
        "parameters": num_parameters,
        "steps": steps,
        "seconds_per_step": batch / num_gpus / speed,
        "hours": hours,
        "gpu_hours": hours * num_gpus,
        "cost": hours * price_per_hour,
        "checkpoint_gb": checkpoint / 1e9,
        "disk_gb": disk / 1e9,
        "activation_gb": activations / 1e9,
        "memory": memory,
        "assumptions": [
            f"{speed:.1f} samples a second and GPU, {'as measured (--rate)' if rate else guessed}",
            f"activations of {num_tokens} tokens and {held} samples at once, in gpu_gb, measured here by running one "
            "sample and two in bf16; a block that is run again adds its own",
            "weights, gradients, moments and moving average in fp32; CUDA's own memory and fragments come on top",
            "what GPUs send overlaps with the backward pass and takes no time, nor does offloading",
        ],
    }
