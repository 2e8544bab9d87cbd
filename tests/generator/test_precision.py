"""What is computed under bf16 autocast is what fp32 gives, but for bf16's three digits: nothing becomes noise."""

import torch
from half_precision import assert_same_in_bf16
from tiny_tokens import SHAPE, batch_of, randomize

from ltm3d.generator.dit import Dit, DitConfig
from ltm3d.generator.ltr import LTR
from ltm3d.generator.model import Generator
from ltm3d.generator.prefix import Condition
from ltm3d.nn.randomness import StepRandom


def compare(model: Generator | LTR | Dit, condition: Condition) -> None:
    batch = batch_of(condition)
    assert_same_in_bf16(model, lambda: model.training_loss(batch, StepRandom(0, 1, range(4))))


def test_the_generator(generator: Generator, condition: Condition) -> None:
    compare(generator, condition)


def test_the_ltr(ltr: LTR, condition: Condition) -> None:
    compare(ltr, condition)


def test_the_baseline(condition: Condition) -> None:
    torch.manual_seed(0)
    dit = Dit(DitConfig(width=32, depth=2, num_heads=4, num_prefix=3), SHAPE)
    randomize(dit)
    compare(dit, condition)
