"""What is done to a model's blocks before training: compiled, or run again in the backward pass."""

from functools import partial

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


def prepare_blocks(model: nn.Module, *, recompute: bool, compiles: bool) -> None:
    """Change how the blocks of a model run, not what they compute nor how their weights are named.

    Args:
        recompute: of what says `recomputable`, keep only the inputs for the backward pass ("activation checkpointing");
            a model with a `recompute` of its own that is on is left alone.
        compiles: with torch.compile what says `one_program`, one for all blocks alike and for any number of tokens.
    """
    blocks = [module for module in model.modules() if getattr(module, "recomputable", False)]
    recompute = recompute and not any(getattr(module, "recompute", False) is True for module in model.modules())
    if compiles:
        for module in model.modules():
            if getattr(module, "one_program", False):
                module.forward = torch.compile(module.forward, dynamic=True)
    if recompute:
        for block in blocks:
            block.forward = partial(checkpoint, block.forward, use_reentrant=False)
