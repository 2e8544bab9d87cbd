"""`ltm3d plan --train`: steps, GPU hours, memory a GPU, disk and network of a generator's training on a cluster."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer
import yaml

from ltm3d.errors import ConfigError
from ltm3d.settings import convert
from ltm3d.training.estimate import disk_bytes, samples_per_second, sent_bytes, state_bytes, steps_of

GIGABYTE = 1e9
STAGES: tuple[tuple[int, str], ...] = (
    (0, "none"),
    (1, "none"),
    (2, "none"),
    (3, "none"),
    (2, "optimizer"),
    (3, "parameters"),
)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is to be trained, on what.

    Attributes:
        num_assets: of the train split.
        micro_batch: samples a GPU holds at once; 0 = its whole share.
        utilisation: share of a GPU's operations that are the model's (MFU), where no rate is given.
        rate: samples a second of one GPU, measured; None = by operations.
        network_gb_per_s: at which a GPU sends while nothing else does.
    """

    num_assets: int
    num_tokens: int
    token_dim: int
    num_condition_tokens: int
    condition_width: int
    epochs: float
    global_batch: int
    micro_batch: int
    nodes: int
    gpus_per_node: int
    gpu_memory_gb: float
    peak_tflops: float
    utilisation: float
    rate: float | None
    network_gb_per_s: float
    keep_checkpoints: int
    price_per_node_hour: float

    def __post_init__(self) -> None:
        share, rest = divmod(self.global_batch, self.num_gpus)
        if rest or not share:
            raise ConfigError(
                f"batch is {self.global_batch}; it must be a multiple of the {self.num_gpus} GPUs "
                f"({self.nodes} nodes of {self.gpus_per_node})"
            )
        if share % (self.micro_batch or share):
            raise ConfigError(f"micro_batch is {self.micro_batch}; it must divide the {share} samples of a GPU")

    @property
    def num_gpus(self) -> int:
        """GPUs of all nodes, each a worker."""
        return self.nodes * self.gpus_per_node

    @property
    def held(self) -> int:
        """Samples a GPU holds at once."""
        return self.micro_batch or self.global_batch // self.num_gpus

    @property
    def num_micro_batches(self) -> int:
        """Micro-batches a step."""
        return self.global_batch // self.num_gpus // self.held


def make_plan(size: str, setting: Setting, conf: Path) -> dict[str, Any]:
    """Work out everything; the keys are those of the JSON.

    Raises:
        ConfigError: conf/ has no such size.
    """
    import torch

    from ltm3d.generator.memory import activation_bytes
    from ltm3d.generator.model import GeneratorConfig
    from ltm3d.generator.sampling import SamplingConfig
    from ltm3d.generator.sizes import measure_size
    from ltm3d.generator.token_model import TokenShape

    path = conf / "generator" / f"{size}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in path.parent.glob("*.yaml"))) or "none, is this a checkout?"
        raise ConfigError(f"{path} is not there; the sizes are: {known}")
    config = convert(yaml.safe_load(path.read_text(encoding="utf-8")), GeneratorConfig, str(path))
    shape = TokenShape(
        num_tokens=setting.num_tokens,
        token_dim=setting.token_dim,
        image_width=setting.condition_width,
        text_width=setting.condition_width,
    )
    num_conditions = setting.num_condition_tokens
    measured = measure_size(config, shape, SamplingConfig(), num_condition_tokens=num_conditions)
    fixed, each = activation_bytes(config, shape, num_condition_tokens=num_conditions, precision=torch.bfloat16)
    num_parameters = sum(measured.parameters.values())
    activations = fixed + each * setting.held
    rate = setting.rate or samples_per_second(
        measured.training_flops,
        peak_tflops=setting.peak_tflops,
        utilisation=setting.utilisation,
        recomputes=config.recompute_activations,
    )
    steps = steps_of(setting.num_assets, epochs=setting.epochs, global_batch_size=setting.global_batch)
    seconds_a_step = setting.global_batch / setting.num_gpus / rate
    hours = steps * seconds_a_step / 3600
    stages = [
        _stage(stage, offload, num_parameters, activations=activations, seconds_a_step=seconds_a_step, setting=setting)
        for stage, offload in STAGES
    ]
    return {
        "size": size,
        "parameters": num_parameters,
        "tflops_a_sample": measured.training_flops / 1e12,
        "samples_per_second_a_gpu": rate,
        "rate_is_measured": setting.rate is not None,
        "steps": steps,
        "seconds_a_step": seconds_a_step,
        "hours": hours,
        "gpu_hours": hours * setting.num_gpus,
        "cost": hours * setting.nodes * setting.price_per_node_hour,
        "activation_gb": activations / GIGABYTE,
        "disk": asdict(disk_bytes(num_parameters, keep=setting.keep_checkpoints, has_average=True)),
        "stages": stages,
        "recomputes": config.recompute_activations,
        "setting": asdict(setting),
    }


def _stage(
    stage: int, offload: str, num_parameters: int, *, activations: float, seconds_a_step: float, setting: Setting
) -> dict[str, Any]:
    states = state_bytes(num_parameters, world_size=setting.num_gpus, zero_stage=stage, offload=offload)
    sent = sent_bytes(
        num_parameters,
        world_size=setting.num_gpus,
        zero_stage=stage,
        num_micro_batches=setting.num_micro_batches,
    )
    device = (states.on_device + activations) / GIGABYTE
    return {
        "zero_stage": stage,
        "offload": offload,
        "states_gb": states.on_device / GIGABYTE,
        "gpu_gb": device,
        "host_gb": states.offloaded / GIGABYTE,
        "fits": device <= setting.gpu_memory_gb,
        "sent_gb_a_step": sent / GIGABYTE,
        "network_share": sent / GIGABYTE / setting.network_gb_per_s / seconds_a_step,
    }


def show(plan: dict[str, Any], as_json: bool) -> None:
    """Print a plan."""
    if as_json:
        typer.echo(json.dumps(plan, indent=1))
        return
    setting, disk = plan["setting"], plan["disk"]
    num_gpus = setting["nodes"] * setting["gpus_per_node"]
    typer.echo(
        f"{plan['size']}: {plan['parameters'] / 1e6:.1f} M parameters, {plan['tflops_a_sample']:.3f} TFLOP a sample"
    )
    typer.echo(f"{plan['steps']:,} steps of {setting['global_batch']}, {plan['seconds_a_step']:.3f} s each")
    typer.echo(
        f"{plan['hours']:.2f} hours on {num_gpus} GPUs, {plan['gpu_hours']:.1f} GPU hours, cost {plan['cost']:.2f}"
    )
    typer.echo(
        f"a checkpoint {disk['checkpoint'] / GIGABYTE:.2f} GB; disk of the run "
        f"{disk['checkpoints'] / GIGABYTE:.1f} GB of checkpoints and {disk['weights'] / GIGABYTE:.1f} GB of weights\n"
    )
    typer.echo(
        f"{'ZeRO':<6}{'offload':<12}{'states':>10}{'in all':>10}{'host':>10}{'fits':>6}{'sent a step':>14}{'of it':>9}"
    )
    for row in plan["stages"]:
        typer.echo(
            f"{row['zero_stage']:<6}{row['offload']:<12}{row['states_gb']:>7.2f} GB{row['gpu_gb']:>7.2f} GB"
            f"{row['host_gb']:>7.2f} GB{'yes' if row['fits'] else 'no':>6}{row['sent_gb_a_step']:>11.2f} GB"
            f"{row['network_share']:>8.1%}"
        )
    typer.echo("\nassumptions:")
    for line in assumptions(plan):
        typer.echo(f"  - {line}")


def assumptions(plan: dict[str, Any]) -> list[str]:
    """Say what the figures rest on."""
    setting = plan["setting"]
    rate = f"{plan['samples_per_second_a_gpu']:.1f} samples a second and GPU"
    if plan["rate_is_measured"]:
        source = "as measured (--rate)"
    else:
        share = f"{setting['utilisation']:.0%} of {setting['peak_tflops']:.0f} TFLOP/s"
        source = f"no rate was given: {share}; train some steps on one GPU and give train/samples_per_second as --rate"
    again = "; one block's more while it runs again" if plan["recomputes"] else ""
    return [
        f"{rate}, {source}",
        f"activations of {setting['num_tokens']} tokens, {plan['activation_gb']:.2f} GB a micro-batch, measured here "
        f"by running one sample and two in bf16{again}",
        "weights, gradients, moments and moving average in fp32; CUDA's own memory (0.5 to 1 GB) and fragments come "
        "on top",
        f"'of it': sending at {setting['network_gb_per_s']:g} GB/s a GPU against a step's time; what overlaps with "
        "the backward pass costs nothing, and it is not in the hours; nor is the time that offloading costs",
        f"cost: {setting['price_per_node_hour']:g} a node and hour (--price-per-node-hour)",
    ]
