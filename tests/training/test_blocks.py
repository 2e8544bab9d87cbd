import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ltm3d.nn.transformer import Block
from ltm3d.training.blocks import prepare_blocks


class Stack(nn.Module):
    """Blocks as a model has them; `recompute` is the model's own setting."""

    def __init__(self, recompute: bool = False) -> None:
        super().__init__()
        self.recompute = recompute
        self.blocks = nn.ModuleList(Block(16, num_heads=2) for _ in range(3))

    def forward(self, x: Tensor, visible: Tensor | None = None) -> Tensor:
        for block in self.blocks:
            x = block(x, visible=visible)
        return x


def stack(*, recompute: bool, own: bool = False) -> Stack:
    torch.manual_seed(0)
    model = Stack(own)
    prepare_blocks(model, recompute=recompute, compiles=False)
    return model


def kept_numbers(model: Stack, x: Tensor) -> int:
    """Count what is kept for the backward pass, parameters aside."""
    parameters = {value.data_ptr() for value in model.parameters()}
    kept: dict[int, int] = {}

    def pack(value: Tensor) -> Tensor:
        if value.data_ptr() not in parameters:
            kept[value.data_ptr()] = value.numel()
        return value

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        model(x).sum()
    return sum(kept.values())


def test_recomputed_blocks_keep_their_inputs_and_give_the_same_gradients() -> None:
    x = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(1))
    visible = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    plain, recomputed = stack(recompute=False), stack(recompute=True)
    for model in (plain, recomputed):
        model(x, visible).square().sum().backward()
    for (name, mine), theirs in zip(recomputed.named_parameters(), plain.parameters(), strict=True):
        assert mine.grad is not None and torch.equal(mine.grad, theirs.grad), name
    assert plain.state_dict().keys() == recomputed.state_dict().keys()
    assert kept_numbers(recomputed, x) <= 3 * x.numel() < kept_numbers(plain, x) / 5


def test_a_model_that_recomputes_by_itself_is_left_alone() -> None:
    assert "forward" not in vars(stack(recompute=True, own=True).blocks[0])
    assert "forward" in vars(stack(recompute=True).blocks[0])


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile has no C++ compiler here")
def test_compiled_blocks_train_with_equal_losses(repository: Path, tmp_path: Path) -> None:
    support = repository / "tests" / "support"
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(repository), str(support)]),
        "TORCHINDUCTOR_CACHE_DIR": str(tmp_path),
        "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1",
    }
    command = [sys.executable, "-W", "ignore", str(support / "compiled_training.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    metrics = json.loads(done.stdout)
    assert metrics["kernels"] > 0, "nothing was compiled"
    assert metrics["programs"] <= 4, "a program each for one number of tokens and for any; more were compiled"
    assert metrics["compiled"] == pytest.approx(metrics["plain"], rel=1e-4)
