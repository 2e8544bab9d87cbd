"""What a step does with gradients: DeepSpeed ZeRO over Ray's process group, or plain torch, behind one interface."""

import importlib.util
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from ltm3d.nn.randomness import StepRandom
from ltm3d.training.blocks import prepare_blocks
from ltm3d.training.checkpoints.zero_state import load_state, save_state
from ltm3d.training.config import TrainingConfig, autocast_dtype, micro_batch_size
from ltm3d.training.layout import Layout, Partitioned, Sliced, Whole
from ltm3d.training.optimizer import build_optimizer, carry_fault, clip_or_skip, set_learning_rate
from ltm3d.training.zero import deepspeed_config, import_deepspeed

logger = logging.getLogger(__name__)

Batch = dict[str, Tensor]
Losses = tuple[Tensor, dict[str, Tensor]]

_TORCH_FILE = "state.pt"


class Engine(Protocol):
    """Gradients, optimizer and their state. All ranks call each method equally often.

    Attributes:
        losses: a batch's loss and terms without gradients; with ZeRO 3, too, all ranks call it equally often.
        layout: which part of the parameters this worker is responsible for.
    """

    name: str
    zero_stage: int | None
    model: nn.Module
    losses: Callable[[Batch, StepRandom], Losses]
    layout: Layout

    def accumulate(self, batch: Batch, random: StepRandom) -> Losses:
        """Add one micro-batch's gradient to the step's; return its loss and its terms, detached."""
        ...

    def step(self, learning_rate: float) -> Tensor:
        """Clip, update, clear the gradients; return the gradient norm before clipping, over all ranks.

        Where it is not finite, on all ranks parameters and optimizer stay as they are.
        """
        ...

    def weights(self) -> dict[str, Tensor]:
        """Return parameters and buffers by name, on the CPU, whole; on other ranks than the first nothing."""
        ...

    def save(self, folder: Path, extra: dict[str, Any]) -> None:
        """Write this rank's part of the state into a folder of its own, `extra` beside it."""
        ...

    def load(self, folder: Path) -> dict[str, Any]:
        """Take over a checkpoint, all ranks' parts in one folder; return `extra`."""
        ...


class LossModule(nn.Module):
    """Make the loss a module's forward, under autocast: what DeepSpeed wraps, and plain torch calls."""

    def __init__(self, model: nn.Module, dtype: torch.dtype | None, device: torch.device) -> None:
        super().__init__()
        self.model = model
        self.dtype = dtype
        self.device = device

    def forward(self, batch: Batch, random: StepRandom) -> Losses:
        with self._autocast():
            loss, terms = self.model.training_loss(batch, random)  # type: ignore[operator]
        return loss.float(), {name: value.detach().float() for name, value in terms.items()}

    def _autocast(self) -> AbstractContextManager[None]:
        return nullcontext() if self.dtype is None else torch.autocast(self.device.type, self.dtype)


class TorchEngine:
    """Plain torch: AdamW, and DistributedDataParallel if there are several workers."""

    name = "torch"
    zero_stage: int | None = None

    def __init__(self, model: nn.Module, config: TrainingConfig, *, world_size: int, device: torch.device) -> None:
        self.model = model.to(device)
        prepare_blocks(self.model, recompute=config.activation_checkpointing, compiles=config.compile)
        losses = LossModule(self.model, autocast_dtype(config.precision, device), device)
        self.losses: Callable[[Batch, StepRandom], Losses] = losses
        self.optimizer = build_optimizer(self.model, config)
        self.parameters = [value for group in self.optimizer.param_groups for value in group["params"]]
        self.grad_clip = config.grad_clip
        self.num_micro_batches = config.global_batch_size // world_size // micro_batch_size(config, world_size)
        self.num_accumulated = 0
        self.rank = dist.get_rank() if world_size > 1 else 0
        self.layout: Layout = Whole(self.model, rank=self.rank)
        self.parallel: DistributedDataParallel | None = None
        if world_size > 1:
            self.parallel = DistributedDataParallel(
                losses, broadcast_buffers=False, find_unused_parameters=True, gradient_as_bucket_view=True
            )

    def accumulate(self, batch: Batch, random: StepRandom) -> Losses:
        self.num_accumulated += 1
        with self._summed_or_not():
            loss, terms = (self.parallel or self.losses)(batch, random)
            (carry_fault(loss) / self.num_micro_batches).backward()
        return loss.detach(), terms

    def step(self, learning_rate: float) -> Tensor:
        self.num_accumulated = 0
        norm = clip_or_skip(self.optimizer, self.parameters, self.grad_clip)
        set_learning_rate(self.optimizer.param_groups, learning_rate)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return norm

    def weights(self) -> dict[str, Tensor]:
        if self.rank > 0:
            return {}
        return {name: value.detach().cpu() for name, value in self.model.state_dict().items()}

    def save(self, folder: Path, extra: dict[str, Any]) -> None:
        if self.rank > 0:
            return
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "extra": extra}
        torch.save(state, folder / _TORCH_FILE)

    def load(self, folder: Path) -> dict[str, Any]:
        state = torch.load(folder / _TORCH_FILE, map_location="cpu", weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        return state["extra"]

    def _summed_or_not(self) -> AbstractContextManager[None]:
        """Sum the gradients over the workers with a step's last micro-batch only."""
        is_last = self.num_accumulated == self.num_micro_batches
        return nullcontext() if self.parallel is None or is_last else self.parallel.no_sync()


class DeepSpeedEngine:
    """DeepSpeed ZeRO with fp32 weights and torch's AdamW; the process group exists already.

    Parameters of no dimension get one while the model is trained.
    """

    name = "deepspeed"

    def __init__(self, model: nn.Module, config: TrainingConfig, *, world_size: int, device: torch.device) -> None:
        self.model = model.to(device)
        prepare_blocks(self.model, recompute=config.activation_checkpointing, compiles=config.compile)
        losses = LossModule(self.model, autocast_dtype(config.precision, device), device)
        for parameter in self.model.parameters():
            if parameter.ndim == 0:  # DeepSpeed broadcasts bytes, which a scalar has no view of
                parameter.data = parameter.data.reshape(1)
        optimizer = build_optimizer(self.model, config)
        self.engine, _, _, _ = import_deepspeed(device).initialize(
            model=losses,
            optimizer=optimizer,
            config=deepspeed_config(config, world_size, device),
            dist_init_required=False,
        )
        self.grad_clip = config.grad_clip
        self.rank = dist.get_rank()
        self.zero_stage: int | None = self.engine.zero_optimization_stage()
        # Only the engine's own call gathers what ZeRO 3 has parted.
        self.losses: Callable[[Batch, StepRandom], Losses] = self.engine if self.zero_stage == 3 else losses
        self.layout: Layout
        if self.zero_stage == 3:
            self.layout = Partitioned(self.model, rank=self.rank, optimizer=self.engine.optimizer)
        elif self.zero_stage == 0:
            self.layout = Whole(self.model, rank=self.rank)
        else:
            self.layout = Sliced(self.model, rank=self.rank, world_size=world_size)

    def accumulate(self, batch: Batch, random: StepRandom) -> Losses:
        loss, terms = self.engine(batch, random)
        self.engine.backward(carry_fault(loss))
        # engine.step counts micro-batches and updates after the last one only: `step` calls it for that one.
        if not self.engine.is_gradient_accumulation_boundary():
            self.engine.step()
        return loss.detach(), terms

    def step(self, learning_rate: float) -> Tensor:
        optimizer = self.engine.optimizer
        set_learning_rate(optimizer.param_groups, learning_rate)
        if self.zero_stage == 0:
            parameters = [value for group in optimizer.param_groups for value in group["params"]]
            norm = clip_or_skip(optimizer, parameters, self.grad_clip)
            self.engine.step()
            return norm
        self.engine.step()  # with a norm that is not finite it changes nothing
        return torch.as_tensor(self.engine.get_global_grad_norm())

    def weights(self) -> dict[str, Tensor]:
        whole: dict[str, Tensor] = {}
        for name, value in self.model.state_dict(keep_vars=True).items():
            with self._gathered(value):
                if self.rank == 0:
                    whole[name] = value.detach().cpu().clone()
        return whole

    def _gathered(self, value: Tensor) -> AbstractContextManager[None]:
        if self.zero_stage != 3 or not isinstance(value, nn.Parameter):
            return nullcontext()
        from deepspeed import zero

        return zero.GatheredParameters([value])

    def save(self, folder: Path, extra: dict[str, Any]) -> None:
        save_state(self.engine, self.model, folder, rank=dist.get_rank(), extra=extra)

    def load(self, folder: Path) -> dict[str, Any]:
        return load_state(self.engine, self.model, folder, rank=dist.get_rank())


def engine_name(config: TrainingConfig) -> str:
    """Name the engine the settings ask for: plain torch, too, where DeepSpeed is not installed."""
    if config.zero_stage is None:
        return TorchEngine.name
    if importlib.util.find_spec("deepspeed") is None:
        logger.warning("DeepSpeed is not installed: training with plain torch, same results, more memory")
        return TorchEngine.name
    return DeepSpeedEngine.name


def build_engine(model: nn.Module, config: TrainingConfig, *, world_size: int, device: torch.device) -> Engine:
    """Return the engine the settings ask for."""
    make = DeepSpeedEngine if engine_name(config) == DeepSpeedEngine.name else TorchEngine
    return make(model, config, world_size=world_size, device=device)
