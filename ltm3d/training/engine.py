"""What a step does with gradients: DeepSpeed ZeRO over Ray's process group, or plain torch, behind one interface."""

import importlib.util
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch import distributed as dist

from ltm3d.errors import ConfigError, ModelError
from ltm3d.nn.randomness import StepRandom
from ltm3d.training.config import TrainingConfig, autocast_dtype, micro_batch_size

logger = logging.getLogger(__name__)

Batch = dict[str, Tensor]
Losses = tuple[Tensor, dict[str, Tensor]]

_TAG = "state"  # the one folder DeepSpeed writes inside a checkpoint
_TORCH_FILE = "state.pt"


class Engine(Protocol):
    """Gradients, optimizer and their state. All ranks call each method equally often."""

    name: str
    zero_stage: int | None
    model: nn.Module
    losses: "LossModule"

    def accumulate(self, batch: Batch, random: StepRandom) -> Losses:
        """Add one micro-batch's gradient to the step's; return its loss and its terms, detached."""
        ...

    def step(self, learning_rate: float) -> Tensor:
        """Clip, update, clear the gradients; return the gradient norm before clipping, over all ranks."""
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
    """Plain torch: AdamW, and an all-reduce of the gradients if there are several workers."""

    name = "torch"
    zero_stage: int | None = None

    def __init__(self, model: nn.Module, config: TrainingConfig, *, world_size: int, device: torch.device) -> None:
        self.model = model.to(device)
        self.losses = LossModule(self.model, autocast_dtype(config.precision, device), device)
        self.optimizer = build_optimizer(self.model, config)
        self.parameters = [value for group in self.optimizer.param_groups for value in group["params"]]
        self.grad_clip = config.grad_clip
        self.world_size = world_size
        self.num_micro_batches = config.global_batch_size // world_size // micro_batch_size(config, world_size)

    def accumulate(self, batch: Batch, random: StepRandom) -> Losses:
        loss, terms = self.losses(batch, random)
        (loss / self.num_micro_batches).backward()
        return loss.detach(), terms

    def step(self, learning_rate: float) -> Tensor:
        for parameter in self.parameters:  # as DeepSpeed: unused in this step = zero gradient
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        if self.world_size > 1:
            self._average_gradients()
        norm = nn.utils.clip_grad_norm_(self.parameters, self.grad_clip or float("inf"))
        _set_learning_rate(self.optimizer.param_groups, learning_rate)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return norm

    def save(self, folder: Path, extra: dict[str, Any]) -> None:
        if self.world_size > 1 and dist.get_rank() > 0:
            return
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "extra": extra}
        torch.save(state, folder / _TORCH_FILE)

    def load(self, folder: Path) -> dict[str, Any]:
        state = torch.load(folder / _TORCH_FILE, map_location="cpu", weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        return state["extra"]

    def _average_gradients(self) -> None:
        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        parts = (flat / self.world_size).split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))


class DeepSpeedEngine:
    """DeepSpeed ZeRO in fp32 with torch's AdamW; the process group exists already.

    Parameters of no dimension get one while the model is trained.
    """

    name = "deepspeed"

    def __init__(self, model: nn.Module, config: TrainingConfig, *, world_size: int, device: torch.device) -> None:
        self.model = model.to(device)
        self.losses = LossModule(self.model, autocast_dtype(config.precision, device), device)
        for parameter in self.model.parameters():
            if parameter.ndim == 0:  # DeepSpeed broadcasts bytes, which a scalar has no view of
                parameter.data = parameter.data.reshape(1)
        self.engine, _, _, _ = _import_deepspeed(device).initialize(
            model=self.losses,
            optimizer=build_optimizer(self.model, config),
            config=_deepspeed_config(config, world_size, device),
            dist_init_required=False,
        )
        self.zero_stage: int | None = self.engine.zero_optimization_stage()

    def accumulate(self, batch: Batch, random: StepRandom) -> Losses:
        loss, terms = self.engine(batch, random)
        self.engine.backward(loss)
        # engine.step counts micro-batches and updates after the last one only: `step` calls it for that one.
        if not self.engine.is_gradient_accumulation_boundary():
            self.engine.step()
        return loss.detach(), terms

    def step(self, learning_rate: float) -> Tensor:
        _set_learning_rate(self.engine.optimizer.param_groups, learning_rate)
        self.engine.step()
        return torch.as_tensor(self.engine.get_global_grad_norm())

    def save(self, folder: Path, extra: dict[str, Any]) -> None:
        self.engine.save_checkpoint(str(folder), tag=_TAG, client_state={"extra": extra})

    def load(self, folder: Path) -> dict[str, Any]:
        path, client_state = self.engine.load_checkpoint(str(folder))
        if path is None:
            raise ModelError(f"{folder} is no DeepSpeed checkpoint; delete it to go on from the one before")
        return client_state["extra"]


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


def build_optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.AdamW:
    """Return AdamW with one group with weight decay and one without."""
    decayed, others = split_by_decay(model)
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=config.learning_rate, betas=config.betas, fused=True
    )


def split_by_decay(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Part the trainable parameters into those with weight decay and those without.

    Raises:
        ConfigError: the model's `no_weight_decay` names something it does not have.
    """
    exempt: Sequence[str] = getattr(model, "no_weight_decay", ())
    names = {name for name, _ in model.named_modules()} | {name for name, _ in model.named_parameters()}
    unknown = [name for name in exempt if name not in names]
    if unknown:
        raise ConfigError(f"{type(model).__name__}.no_weight_decay names {', '.join(unknown)}, which it does not have")
    decayed: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            is_exempt = parameter.ndim < 2 or any(name == prefix or name.startswith(prefix + ".") for prefix in exempt)
            (others if is_exempt else decayed).append(parameter)
    return decayed, others


def _set_learning_rate(groups: Iterable[dict[str, Any]], learning_rate: float) -> None:
    for group in groups:
        group["lr"] = learning_rate


def _deepspeed_config(config: TrainingConfig, world_size: int, device: torch.device) -> dict[str, Any]:
    micro = micro_batch_size(config, world_size)
    return {
        "train_batch_size": config.global_batch_size,
        "train_micro_batch_size_per_gpu": micro,
        "gradient_accumulation_steps": config.global_batch_size // world_size // micro,
        "gradient_clipping": config.grad_clip or 1e30,  # 0 would leave out the norm, too
        "zero_optimization": {
            "stage": config.zero_stage,
            # On a CPU one all-reduce of the gradients where they are: 83 ms a step instead of 111 (3 M parameters).
            "contiguous_gradients": device.type != "cpu",
            "reduce_scatter": device.type != "cpu",
        },
        "steps_per_print": sys.maxsize,
    }


def _import_deepspeed(device: torch.device) -> Any:
    """Import DeepSpeed for a device, without what would slow down or hang its start.

    - mlflow, imported for the autotuner if there is one: 2 s a worker.
    - The kernels of the Muon optimizer: they go through torch.compile even if they are not used, 2 s a worker.
    - On a CPU a shared-memory all-reduce compiled at the first start: 44 s, and a lock that stays for ever
      if killed meanwhile.
    """
    on_cpu = device.type == "cpu"
    if on_cpu:
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    os.environ.setdefault("DEEPSPEED_LOG_LEVEL", "WARNING")
    with _entry(sys.modules, "mlflow", sys.modules.get("mlflow")):
        import deepspeed
        import deepspeed.ops
    try:
        from deepspeed.runtime import compiler

        with _entry(vars(compiler), "compile", lambda: lambda function: function):
            import deepspeed.runtime.zero.muon.muon_optimizer
        if on_cpu:
            vars(deepspeed.ops)["__compatible_ops__"] = {}  # else found out by compiling probes
    except (ImportError, AttributeError, TypeError) as error:
        logger.warning("this DeepSpeed is laid out otherwise (%s); its start may take minutes", error)
    return deepspeed


@contextmanager
def _entry(table: dict[str, Any], name: str, value: Any) -> Iterator[None]:
    """Set an entry of a table for the body, then put back what was there."""
    absent = object()
    before = table.get(name, absent)
    table[name] = value
    try:
        yield
    finally:
        if before is absent:
            del table[name]
        else:
            table[name] = before
