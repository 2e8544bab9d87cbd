"""How the trainable parameters lie on the workers: whole on each, or each worker responsible for a part.

A part is a slice of one flattened parameter; the parts of all workers cover every parameter once. What is kept beside
the parameters (their moving average) is kept for the parts, and can be cut anew for another number of workers.
"""

from typing import Any, NamedTuple, Protocol

from torch import Tensor, nn
from torch import distributed as dist


class Part(NamedTuple):
    """Elements `start` … `start + len(values) - 1` of a parameter; writing to `values` [N] writes the parameter."""

    name: str
    start: int
    values: Tensor


class Layout(Protocol):
    """The parts this worker is responsible for.

    Attributes:
        owner: False if another worker is responsible for the same parts.
    """

    owner: bool

    def parts(self) -> list[Part]: ...

    def spread(self) -> None:
        """Bring what was written to the parts to every worker that reads them; all workers call it."""
        ...


class Whole:
    """Every worker has all parameters and is responsible for all; the first answers for them."""

    def __init__(self, module: nn.Module, *, rank: int = 0) -> None:
        self.module = module
        self.owner = rank == 0

    def parts(self) -> list[Part]:
        return [Part(name, 0, value.detach().view(-1)) for name, value in trainable(self.module)]

    def spread(self) -> None:
        """Do nothing: each worker wrote the same."""


class Sliced:
    """Every worker has all parameters (ZeRO 1 and 2) and is responsible for one of equal slices of them, end to end."""

    owner = True

    def __init__(self, module: nn.Module, *, rank: int, world_size: int) -> None:
        self.module = module
        self.rank = rank
        self.world_size = world_size

    def parts(self) -> list[Part]:
        return [part for rank, part in self._cut() if rank == self.rank]

    def spread(self) -> None:
        for rank, part in self._cut():
            dist.broadcast(part.values, src=rank)

    def _cut(self) -> list[tuple[int, Part]]:
        """Return all parts in order, with the rank of each."""
        values = {name: value.detach().view(-1) for name, value in trainable(self.module)}
        share = -(-sum(value.numel() for value in values.values()) // self.world_size)
        cut, place = [], 0
        for name, value in values.items():
            start = 0
            while start < len(value):
                rank = place // share
                end = min(len(value), start + share * (rank + 1) - place)
                cut.append((rank, Part(name, start, value[start:end])))
                place += end - start
                start = end
        return cut


class Partitioned:
    """Every worker has its part of each parameter (ZeRO 3), as DeepSpeed cut it.

    Args:
        optimizer: DeepSpeed's, which keeps small parameters whole beside their parts.
    """

    owner = True

    def __init__(self, module: nn.Module, *, rank: int, optimizer: Any) -> None:
        self.module = module
        self.rank = rank
        self.optimizer = optimizer

    def parts(self) -> list[Part]:
        found = []
        for name, value in trainable(self.module):
            held = value.ds_tensor.detach().view(-1)  # type: ignore[attr-defined]
            start = self.rank * len(held)
            count = min(len(held), value.ds_numel - start)  # type: ignore[attr-defined]
            if count > 0:  # the last ones are padded
                found.append(Part(name, start, held[:count]))
        return found

    def spread(self) -> None:
        self.optimizer.checkpoint_event_prologue()  # lets go of every whole parameter
        self.optimizer.checkpoint_event_epilogue()  # gathers the small ones again


def trainable(module: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Return the trainable parameters and their names."""
    return [(name, value) for name, value in module.named_parameters() if value.requires_grad]
