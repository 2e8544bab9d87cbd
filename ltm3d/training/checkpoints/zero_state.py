"""ZeRO's state as pieces of named parameters, so that any number of workers can go on from it.

Each worker writes the pieces that it steps: fp32 weights w and AdamW's moments m and v. It does not talk to the others.
On resuming, a worker reads from all files the parts that overlap its own pieces. DeepSpeed's own files fit one number
of workers only, and reading them unpickles whatever they hold. Frozen parameters are not kept: building the model gives
them again.

zero-00000.safetensors …   a worker's pieces; the key of one is "start:kind:name of the parameter"
shared.pt                  buffers, the optimizer's count of steps, the caller's extra; tensors and plain values only

K: elements of a piece
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ltm3d.errors import ModelError
from ltm3d.training.layout import trainable

KINDS = ("weight", "exp_avg", "exp_avg_sq")

_FILE = "zero-{:05d}.safetensors"
_FILES = "zero-*.safetensors"
_SHARED_FILE = "shared.pt"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Elements `start` … `start + length - 1` of a flattened parameter, which this worker steps.

    Attributes:
        flat: the fp32 tensor that torch's AdamW steps; the piece begins at its element `offset`.
    """

    name: str
    parameter: nn.Parameter
    start: int
    length: int
    flat: Tensor
    offset: int


def save_state(engine: Any, module: nn.Module, folder: Path, *, rank: int, extra: dict[str, Any]) -> None:
    """Write this worker's pieces, and on the first worker what all share; no worker waits for another.

    Args:
        engine: DeepSpeed's, of stage 0 to 3, with torch's AdamW.
        module: the model inside it.
    """
    optimizer = _adamw(engine)
    found = pieces(engine, module, rank=rank)
    state = {
        f"{piece.start}:{kind}:{piece.name}": _values(piece, kind, optimizer).detach().cpu().contiguous()
        for piece in found
        for kind in KINDS
    }
    if state:
        save_file(state, folder / _FILE.format(rank))
    if rank == 0:
        steps = [float(values["step"]) for values in optimizer.state.values() if "step" in values]
        buffers = {name: value.detach().cpu() for name, value in module.named_buffers()}
        torch.save({"buffers": buffers, "step": max(steps, default=0.0), "extra": extra}, folder / _SHARED_FILE)


@torch.no_grad()
def load_state(engine: Any, module: nn.Module, folder: Path, *, rank: int) -> dict[str, Any]:
    """Take over the state of any number of workers and any stage, and return `extra`; all workers call it.

    Raises:
        ModelError: the folder does not hold all of this worker's pieces.
    """
    shared_file = folder / _SHARED_FILE
    if not shared_file.is_file():
        raise ModelError(f"{folder} is no DeepSpeed checkpoint; delete it to go on from the one before")
    shared = torch.load(shared_file, map_location="cpu", weights_only=True)
    optimizer = _adamw(engine)
    found = pieces(engine, module, rank=rank, every=True)
    for piece in found:
        _prepare(optimizer, piece.flat, shared["step"])
    missing = len(KINDS) * sum(piece.length for piece in found)
    for path in sorted(folder.glob(_FILES)):
        with safe_open(path, framework="pt") as file:
            keys = [key.split(":", 2) for key in file.keys()]  # noqa: SIM118 (no mapping)
            starts = {(name, kind): int(start) for start, kind, name in keys}
            for piece in found:
                for kind in KINDS:
                    if (first := starts.get((piece.name, kind))) is not None:
                        saved = file.get_slice(f"{first}:{kind}:{piece.name}")
                        missing -= _copy_overlap(piece, _values(piece, kind, optimizer), first, saved)
    if missing:
        raise ModelError(f"{folder} lacks {missing} numbers of the training's state; delete it to go on from before")
    buffers = dict(module.named_buffers())
    for name, value in shared["buffers"].items():
        buffers[name].copy_(value)
    _spread(engine, found, optimizer)
    extra = shared["extra"]
    assert isinstance(extra, dict)
    return extra


def pieces(engine: Any, module: nn.Module, *, rank: int, every: bool = False) -> list[Piece]:
    """Return what this worker steps; with stage 0 all do the same, and others than the first have none.

    Args:
        every: with stage 0, too, return this worker's own.
    """
    stage = engine.zero_optimization_stage()
    if stage == 0 and rank > 0 and not every:
        return []
    find = {0: _whole, 1: _sliced, 2: _sliced, 3: _parted}[stage]
    return list(find(engine, module, rank))


def _whole(engine: Any, module: nn.Module, rank: int) -> Iterator[Piece]:
    for name, value in trainable(module):
        yield Piece(name=name, parameter=value, start=0, length=value.numel(), flat=value, offset=0)


def _sliced(engine: Any, module: nn.Module, rank: int) -> Iterator[Piece]:
    flats = engine.optimizer.single_partition_of_fp32_groups
    for name, value in trainable(module):
        if (place := value._hp_mapping) is not None:  # type: ignore[attr-defined]
            yield Piece(
                name=name,
                parameter=value,
                start=place.lp_fragment_address.start,
                length=place.lp_fragment_address.numel,
                flat=flats[place.param_group_index],
                offset=place.hp_fragment_address.start,
            )


def _parted(engine: Any, module: nn.Module, rank: int) -> Iterator[Piece]:
    zero = engine.optimizer
    for name, value in trainable(module):
        group, offset, length = zero.grad_position[zero.get_param_id(value)]
        start = rank * length
        length = min(length, value.ds_numel - start)  # type: ignore[attr-defined]
        if length > 0:  # the last ones are padded
            flat = zero.fp32_partitioned_groups_flat[group]
            yield Piece(name=name, parameter=value, start=start, length=length, flat=flat, offset=offset)


def _spread(engine: Any, found: list[Piece], optimizer: torch.optim.Optimizer) -> None:
    """Bring the fp32 weights to what the model computes with, on all workers."""
    zero = engine.optimizer
    stage = engine.zero_optimization_stage()
    if stage in (1, 2):
        zero.update_lp_params()
    elif stage == 3:
        zero.checkpoint_event_prologue()  # lets go of every whole parameter
        for piece in found:
            held = piece.parameter.ds_tensor.view(-1)[: piece.length]  # type: ignore[attr-defined]
            held.copy_(_values(piece, "weight", optimizer))
        zero.checkpoint_event_epilogue()  # gathers the small ones again


def _adamw(engine: Any) -> torch.optim.Optimizer:
    inner = engine.optimizer
    optimizer = inner if engine.zero_optimization_stage() == 0 else inner.optimizer
    assert isinstance(optimizer, torch.optim.AdamW), f"the optimizer is {type(optimizer).__name__}"
    return optimizer


def _prepare(optimizer: torch.optim.Optimizer, flat: Tensor, step: float) -> None:
    """Give AdamW the state it would make at its first step, with the count of steps."""
    state = optimizer.state[flat]
    for kind in KINDS[1:]:
        state.setdefault(kind, torch.zeros_like(flat, memory_format=torch.preserve_format))
    state["step"] = torch.tensor(step, dtype=torch.float32, device=flat.device)


def _values(piece: Piece, kind: str, optimizer: torch.optim.Optimizer) -> Float[Tensor, " K"]:
    whole = piece.flat.detach() if kind == "weight" else optimizer.state[piece.flat][kind]
    return whole.view(-1).narrow(0, piece.offset, piece.length)


def _copy_overlap(piece: Piece, values: Float[Tensor, " K"], first: int, saved: Any) -> int:
    """Copy the overlap of a saved piece, which starts at `first`; return its length."""
    low = max(first, piece.start)
    high = min(first + saved.get_shape()[0], piece.start + piece.length)
    if low >= high:
        return 0
    values[low - piece.start : high - piece.start].copy_(saved[low - first : high - first])
    return high - low
