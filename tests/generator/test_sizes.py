from dataclasses import replace

import pytest
import torch
from tiny_tokens import SHAPE, batch_of, rows
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ltm3d.generator.masking import MaskRatio
from ltm3d.generator.model import Generator
from ltm3d.generator.prefix import Condition
from ltm3d.generator.sampling import SamplingConfig, sample_tokens
from ltm3d.generator.sizes import measure_size
from ltm3d.nn.randomness import StepRandom

SAMPLING = SamplingConfig(num_steps=3, alpha_schedule="off", guidance_scale=2.0)


def test_operations_are_those_of_the_model_itself(generator: Generator, condition: Condition) -> None:
    config = replace(generator.config, mask_ratio=MaskRatio(center=0.75, std=1e-3, minimum=0.7))
    model = Generator(config, SHAPE).requires_grad_(False)
    size = measure_size(config, SHAPE, SAMPLING, num_condition_tokens=11)
    assert size.parameters["denoiser"] == sum(parameter.numel() for parameter in model.denoiser.parameters())
    assert sum(size.parameters.values()) == sum(parameter.numel() for parameter in model.parameters())
    batch = {name: value[:1] for name, value in batch_of(condition).items()}
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):  # the CPU kernel is not counted
        model.training_loss(batch, StepRandom(0, 0, [0]))
    assert size.training_flops == pytest.approx(3 * counter.get_total_flops(), rel=0.005)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):  # the CPU kernel is not counted
        sample_tokens(model, rows(condition, [0]), config=SAMPLING, seeds=[0])
    assert size.sampling_flops == pytest.approx(counter.get_total_flops(), rel=0.005)
    assert size.training_flops_per_token == size.training_flops / 8


def test_the_mean_mask_ratio_is_that_of_many_draws() -> None:
    ratio, random = MaskRatio(), torch.Generator().manual_seed(0)
    draws = [ratio.draw_count(10_000, random) / 10_000 for _ in range(4000)]
    assert ratio.mean() == pytest.approx(sum(draws) / len(draws), abs=0.005)


def test_recomputed_activations_change_no_gradient(generator: Generator, condition: Condition) -> None:
    recomputing = Generator(replace(generator.config, recompute_activations=True), SHAPE)
    recomputing.load_state_dict(generator.state_dict())
    batch = batch_of(condition)
    for model in (generator, recomputing):
        model.train().training_loss(batch, StepRandom(0, 1, range(4)))[0].backward()
    for one, other in zip(generator.parameters(), recomputing.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None)
        assert one.grad is None or torch.allclose(one.grad, other.grad, atol=1e-6)
