"""How large a generator is: its parameters, and the floating-point operations of training and sampling.

A multiplication and an addition count as two. Operations are counted by torch on tensors without content, part by part.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ltm3d.generator.masking import known_after_steps
from ltm3d.generator.model import Generator, GeneratorConfig
from ltm3d.generator.prefix import NUM_ABSENT, Condition
from ltm3d.generator.sampling import SamplingConfig
from ltm3d.generator.token_model import TokenShape

PARTS = ("prompt_encoder", "masked_autoencoder", "denoiser")


@dataclass(frozen=True, kw_only=True)
class Size:
    """What one model takes.

    Attributes:
        parameters: by part.
        training_flops: of one sample in one step, forward and twice that backward, at the mean mask ratio.
        sampling_flops: of one shape.
    """

    num_tokens: int
    parameters: dict[str, int]
    training_flops: int
    sampling_flops: int

    @property
    def training_flops_per_token(self) -> float:
        """Of one shape token in one step."""
        return self.training_flops / self.num_tokens


def measure_size(
    config: GeneratorConfig, shape: TokenShape, sampling: SamplingConfig, *, num_condition_tokens: int
) -> Size:
    """Count a model without making its weights.

    Args:
        num_condition_tokens: of the image and the text together.
    """
    with torch.device("meta"):
        model = Generator(config, shape).requires_grad_(False)
    num_masked = round(config.mask_ratio.mean() * shape.num_tokens)
    prefix = _prefix_flops(model, num_condition_tokens)
    num_prefix = config.num_prefix or num_condition_tokens + NUM_ABSENT
    step = _transformer_flops(model, num_prefix, shape.num_tokens - num_masked, num_masked)
    num_draws = num_masked * config.noise_draws
    denoising = _denoiser_flops(model, num_draws, num_times=num_draws)
    branches = sampling.num_branches
    sampled, num_known = branches * prefix, 0
    calls = _calls_per_token(config)
    for after in known_after_steps(shape.num_tokens, sampling.num_steps, sampling.schedule):
        sampled += branches * _transformer_flops(model, num_prefix, num_known, after - num_known)
        sampled += calls * _denoiser_flops(model, branches * (after - num_known), num_times=1)
        num_known = after
    return Size(
        num_tokens=shape.num_tokens,
        parameters={part: sum(p.numel() for p in getattr(model, part).parameters()) for part in PARTS},
        training_flops=3 * (prefix + step + denoising),
        sampling_flops=sampled,
    )


def _calls_per_token(config: GeneratorConfig) -> int:
    if config.head == "ddpm":
        return config.ddpm.num_steps
    return config.flow.num_steps * 2 - 1 if config.flow.solver == "heun" else config.flow.num_steps


def _prefix_flops(model: Generator, num_condition_tokens: int) -> int:
    shape = model.shape
    num_text = num_condition_tokens - shape.num_image_tokens if shape.num_image_tokens else num_condition_tokens // 2
    with torch.device("meta"):
        condition = Condition(
            torch.empty(1, num_condition_tokens - num_text, shape.image_width),
            torch.empty(1, num_text, shape.text_width),
            torch.ones(1, num_text, dtype=torch.bool),
            has_image=torch.ones(1, dtype=torch.bool),
            has_text=torch.ones(1, dtype=torch.bool),
        )
    return _count(model.encode_prefix, condition)


def _transformer_flops(model: Generator, num_prefix: int, num_known: int, num_wanted: int) -> int:
    mae, width = model.masked_autoencoder, model.config.width

    def run(
        known: torch.Tensor, guess: torch.Tensor, seen: torch.Tensor, whole: torch.Tensor, wanted: torch.Tensor
    ) -> None:
        mae.embed(known)
        for block in mae.encoder:
            seen = block(seen)
        mae.to_decoder(seen)
        if mae.guess_input is not None:
            mae.guess_input.project(guess)
        for block in mae.decoder[:-1]:
            whole = block(whole)
        model.denoiser.modulate(mae.decoder[-1](whole, wanted=wanted)[0])

    with torch.device("meta"):
        known, guess = (torch.empty(1, count, model.shape.token_dim) for count in (num_known, model.shape.num_tokens))
        seen, whole = (torch.empty(1, num_prefix + count, width) for count in (num_known, model.shape.num_tokens))
        wanted = torch.empty(1, num_wanted, dtype=torch.long)
    return _count(run, known, guess, seen, whole, wanted)


def _denoiser_flops(model: Generator, num_rows: int, *, num_times: int) -> int:
    denoiser = model.denoiser
    with torch.device("meta"):
        x_t, t = torch.empty(num_rows, model.shape.token_dim), torch.empty(num_times)
        modulation = torch.empty(num_rows, denoiser.condition_modulation.out_features)
    return _count(denoiser, x_t, t, modulation)


def _count(run: Callable[..., Any] | nn.Module, *arguments: Any) -> int:
    with FlopCounterMode(display=False) as counter:
        run(*arguments)
    return int(counter.get_total_flops())
