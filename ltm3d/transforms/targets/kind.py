"""What a kind of target is: how it is built of a mesh, and with which settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ltm3d.schema import Field
from ltm3d.shards.ledger import check_fraction
from ltm3d.transforms.isolation import ChildLimits
from ltm3d.transforms.retries import MAX_TRIES, check_max_tries

Build = Callable[..., tuple[Mapping[str, np.ndarray], Mapping[str, float]]]


@dataclass(frozen=True, kw_only=True)
class TargetsConfig:
    """What one asset may take for its targets.

    Attributes:
        child: limits of the process that builds them.
        max_tries: of an asset that ran out of time or memory, or crashed: one a run of the stage.
    """

    child: ChildLimits = field(default_factory=ChildLimits)
    max_reject_fraction: float = 0.02
    max_tries: int = MAX_TRIES

    def __post_init__(self) -> None:
        check_fraction("max_reject_fraction", self.max_reject_fraction)
        check_max_tries(self.max_tries)


@dataclass(frozen=True, kw_only=True)
class TargetKind:
    """How one kind of target is built.

    Attributes:
        config: its settings, with the builder's own under `target`.
        build: mesh, config, rng → arrays by field, and facts for the asset's record.
    """

    config: type[Any]
    fields: tuple[Field, ...]
    build: Build
