"""Settings of a training run, and what follows from them: learning rate, micro-batches, precision, identity."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import torch

from ltm3d.errors import ConfigError

PRECISIONS = ("auto", "fp32", "bf16")
LR_SCHEDULES = ("constant", "cosine")
ZERO_STAGES = (0, 1, 2, 3)
STAGES_OF_OFFLOAD: Mapping[str, tuple[int | None, ...]] = {
    "none": (None, *ZERO_STAGES),
    "optimizer": (1, 2, 3),
    "parameters": (3,),
}
EXPORTS = ("last", "best")

# They say how a run is watched and fed, not what it computes: a change keeps the run.
_NOT_IDENTITY = ("checkpoint_every", "keep_checkpoints", "log_every", "max_skipped_steps", "prefetch", "warm_start")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a model is trained.

    Attributes:
        global_batch_size: samples a step, over all workers.
        micro_batch_size: samples a worker holds at once; None = its whole share of the batch.
            Gradients are accumulated over as many micro-batches as the share needs.
        warmup_steps: steps over which the learning rate rises linearly from 0.
        weight_decay: on matrices only; biases, norms, other 1-D parameters and what the model names in
            its attribute `no_weight_decay` (names of modules or parameters) have none.
        grad_clip: largest global gradient norm; 0 = no clipping.
        precision: `auto` is bf16 autocast where the GPU or the CPU has the units, else fp32.
        zero_stage: DeepSpeed ZeRO stage, what each worker holds: 0 all, 1 its part of the optimizer's state, 2 of the
            gradients, too, 3 of the parameters, too; None = plain torch.
        offload: what lies in the CPU's memory: `none`, `optimizer` (its state and step; from stage 1), or `parameters`
            (they as well; stage 3).
        activation_checkpointing: keep only each transformer block's input and run it again in the backward pass; in
            models that do so by a setting of their own, theirs holds.
        compile: run the transformer blocks and the DenoiseNet through torch.compile; the first steps take one or two
            minutes, and it needs a C++ compiler; not with stage 3.
        ema_decay: 0 = off. Warmed up: the decay of step t is min(ema_decay, (1 + t) / (10 + t)).
        max_skipped_steps: a step whose loss or gradient is not finite changes nothing and is counted; with more than
            these the run stops.
        export: weights of the `last` step, or of the one with the lowest validation loss (`best`).
        prefetch: micro-batches that a thread reads ahead; 0 = read when they are needed.
        warm_start: folder of a model of the same make, whose weights training starts from.
    """

    num_steps: int
    global_batch_size: int
    learning_rate: float
    micro_batch_size: int | None = None
    warmup_steps: int = 100
    lr_schedule: str = "constant"
    weight_decay: float = 0.02
    betas: tuple[float, float] = (0.9, 0.95)
    grad_clip: float = 3.0
    precision: str = "auto"
    zero_stage: int | None = 1
    offload: str = "none"
    activation_checkpointing: bool = False
    compile: bool = False
    checkpoint_every: int = 500
    keep_checkpoints: int = 2
    log_every: int = 20
    validate_every: int = 500
    ema_decay: float = 0.0
    max_skipped_steps: int = 0
    export: str = "last"
    prefetch: int = 2
    warm_start: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in (
            "num_steps",
            "global_batch_size",
            "checkpoint_every",
            "keep_checkpoints",
            "log_every",
            "validate_every",
        ):
            _check(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        for name in ("warmup_steps", "weight_decay", "grad_clip", "max_skipped_steps", "prefetch", "seed"):
            _check(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        _check(
            self.micro_batch_size is None or self.micro_batch_size >= 1,
            "micro_batch_size",
            self.micro_batch_size,
            "at least 1, or null",
        )
        _check(self.learning_rate > 0, "learning_rate", self.learning_rate, "above 0")
        _check(
            len(self.betas) == 2 and all(0 <= beta < 1 for beta in self.betas),
            "betas",
            self.betas,
            "two numbers in [0, 1)",
        )
        _check(0 <= self.ema_decay < 1, "ema_decay", self.ema_decay, "in [0, 1)")
        for name, choices in (
            ("lr_schedule", LR_SCHEDULES),
            ("precision", PRECISIONS),
            ("offload", tuple(STAGES_OF_OFFLOAD)),
            ("export", EXPORTS),
        ):
            _check(getattr(self, name) in choices, name, getattr(self, name), f"one of {', '.join(choices)}")
        _check(
            self.zero_stage is None or self.zero_stage in ZERO_STAGES,
            "zero_stage",
            self.zero_stage,
            "0, 1, 2, 3, or null for plain torch",
        )
        check_offload(self.zero_stage, self.offload)
        _check(not (self.compile and self.zero_stage == 3), "compile", self.compile, "false with zero_stage 3")


def check_offload(zero_stage: int | None, offload: str) -> None:
    """Raise ConfigError unless what is to lie in the CPU's memory is divided over the workers at this stage."""
    stages = STAGES_OF_OFFLOAD[offload]
    limit = f"one of {', '.join(map(str, stages))} with offload {offload}"
    _check(zero_stage in stages, "zero_stage", zero_stage, limit)


def _check(holds: bool, name: str, value: object, limit: str) -> None:
    if not holds:
        raise ConfigError(f"{name} is {value}; it must be {limit}")


def micro_batch_size(config: TrainingConfig, world_size: int) -> int:
    """Return the samples a worker holds at once.

    Raises:
        ConfigError: the global batch does not divide over the workers, or a share over micro-batches.
    """
    share, rest = divmod(config.global_batch_size, world_size)
    if rest:
        raise ConfigError(
            f"global_batch_size is {config.global_batch_size}; it must be a multiple of the {world_size} workers: "
            f"set it to {max(share, 1) * world_size}, or change resources.num_workers"
        )
    size = config.micro_batch_size or share
    if share % size:
        raise ConfigError(
            f"micro_batch_size is {size}; it must divide the {share} samples a worker has of each batch "
            f"(global_batch_size {config.global_batch_size} over {world_size} workers)"
        )
    return size


def learning_rate_at(config: TrainingConfig, step: int) -> float:
    """Return the learning rate of a step, counted from 0."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    if config.lr_schedule == "constant":
        return config.learning_rate
    progress = (step - config.warmup_steps) / max(1, config.num_steps - config.warmup_steps)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def cpu_has_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Tell whether the CPU multiplies bf16 natively; software bf16 is slower than fp32."""
    if not cpuinfo.is_file():
        return False
    flags = next((line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")), "").split()
    return "amx_bf16" in flags or "avx512_bf16" in flags


def autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """Return the dtype of autocast on a device, None = fp32 throughout."""
    if precision == "fp32":
        return None
    if precision == "bf16":
        return torch.bfloat16
    has_units = torch.cuda.is_bf16_supported() if device.type == "cuda" else cpu_has_bf16()
    return torch.bfloat16 if has_units else None


def identity(config: TrainingConfig, run_key: str) -> str:
    """Hash what a run computes: its settings and the caller's key (data, model settings, weights to start from).

    Where the weights to start from lie is no part of it: `start_key`.
    """
    settings = {field.name: getattr(config, field.name) for field in fields(config) if field.name not in _NOT_IDENTITY}
    return hashlib.sha256(json.dumps([settings, run_key], sort_keys=True).encode()).hexdigest()
