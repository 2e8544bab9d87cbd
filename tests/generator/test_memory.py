"""Activations by what autograd keeps, against the memory that torch's profiler saw allocated."""

from dataclasses import replace

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from ltm3d.generator.memory import activation_bytes, example_batch, kept_bytes
from ltm3d.generator.model import Generator, GeneratorConfig
from ltm3d.generator.token_model import TokenShape
from ltm3d.nn.randomness import StepRandom

SHAPE = TokenShape(num_tokens=64, token_dim=16, image_width=48, text_width=48)
CONFIG = GeneratorConfig(
    width=64, encoder_depth=2, decoder_depth=2, num_heads=4, num_prefix=8, denoiser_width=64, denoiser_depth=2
)
NUM_CONDITIONS = 40


def test_what_is_kept_is_what_is_still_allocated_after_the_forward_pass() -> None:
    torch.manual_seed(0)
    model = Generator(CONFIG, SHAPE)
    batch = example_batch(SHAPE, NUM_CONDITIONS, 4)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        loss, _ = model.training_loss(batch, StepRandom(0, 0, [0, 1, 2, 3]))
    allocated = sum(event.self_cpu_memory_usage for event in profiled.events())
    del loss
    assert kept_bytes(model, batch, None) == pytest.approx(allocated, rel=0.1)


def test_samples_add_up() -> None:
    fixed, each = activation_bytes(CONFIG, SHAPE, num_condition_tokens=NUM_CONDITIONS, precision=None)
    torch.manual_seed(0)
    model = Generator(CONFIG, SHAPE)
    five = kept_bytes(model, example_batch(SHAPE, NUM_CONDITIONS, 5), None)
    assert fixed + 5 * each == pytest.approx(five, rel=0.01)


def test_blocks_that_run_again_keep_less() -> None:
    deep = replace(CONFIG, encoder_depth=6, decoder_depth=6)
    each = [
        activation_bytes(config, SHAPE, num_condition_tokens=NUM_CONDITIONS, precision=torch.bfloat16)[1]
        for config in (deep, replace(deep, recompute_activations=True))
    ]
    assert each[1] < 0.7 * each[0]
