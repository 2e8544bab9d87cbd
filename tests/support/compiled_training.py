"""Losses of blocks and a DenoiseNet trained with and without torch.compile: `python compiled_training.py` prints JSON.

In a process of its own: the shape checks of the tests are nothing that torch.compile can look through.
"""

import json
import sys

import torch
from tiny_tokens import randomize
from torch import Tensor, nn
from toy_training import toy_config

from ltm3d.generator.denoiser import DenoiseNet
from ltm3d.nn.randomness import StepRandom
from ltm3d.nn.transformer import Block
from ltm3d.training.engine import TorchEngine

NUM_STEPS, WIDTH = 4, 16


class TinyGenerator(nn.Module):
    """Two blocks over a number of tokens that differs from step to step, as that of the known ones does."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(WIDTH, num_heads=2) for _ in range(2))
        self.denoiser = DenoiseNet(token_dim=3, num_outputs=3, condition_width=WIDTH, width=WIDTH, depth=1)
        randomize(self)  # what starts at zero would hide the blocks

    def training_loss(self, batch: dict[str, Tensor], random: StepRandom) -> tuple[Tensor, dict[str, Tensor]]:
        num_tokens = 3 + int(torch.randint(9, (), generator=random.shared))
        x = random.normal(num_tokens, WIDTH)
        target = x.flip(1)[..., :3].flatten(0, 1).repeat_interleave(2, dim=0)
        for block in self.blocks:
            x = block(x)
        noise, time = random.normal(2 * num_tokens, 3).flatten(0, 1), random.uniform(2 * num_tokens).flatten()
        return (self.denoiser(noise, time, self.denoiser.modulate(x.flatten(0, 1))) - target).square().mean(), {}


def losses(*, compiles: bool, recomputes: bool) -> list[float]:
    """Train from the same start."""
    torch.manual_seed(0)
    config = toy_config(compile=compiles, activation_checkpointing=recomputes, zero_stage=None)
    engine = TorchEngine(TinyGenerator(), config, world_size=1, device=torch.device("cpu"))
    found = []
    for step in range(NUM_STEPS):
        loss, _ = engine.accumulate({}, StepRandom(0, step, range(4)))
        engine.step(0.01)
        found.append(float(loss))
    return found


if __name__ == "__main__":
    metrics = {
        "plain": losses(compiles=False, recomputes=False),
        "compiled": losses(compiles=True, recomputes=False),
        "programs": torch._dynamo.utils.counters["stats"]["unique_graphs"],
        "kernels": torch._inductor.metrics.generated_kernel_count,
    }
    sys.stdout.write(json.dumps(metrics) + "\n")
