"""Token audit: does token i mean the same thing when a shape is encoded twice? (eval/v1, "Token audit")"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment
from torch import Tensor

UNORDERED_ABOVE = 0.5  # elementwise / random distance above which the order carries nothing
ACTIVE_ABOVE = 1e-2  # variance of the posterior mean over shapes above which a unit is active


@dataclass(frozen=True, kw_only=True)
class TokenAudit:
    """Distances of the tokens of one shape encoded twice, mean over shapes.

    Attributes:
        elementwise: token i against token i.
        matched: under the best assignment; far below `elementwise` means that the order is arbitrary.
        random: token i against token i of another shape.
        active_share: share of (token, channel) units whose mean varies over shapes.
    """

    elementwise: float
    matched: float
    random: float
    active_share: float
    num_shapes: int

    @property
    def elementwise_over_random(self) -> float:
        """1 where the tokens of all shapes are the same: two draws of a shape are no nearer than two shapes."""
        return self.elementwise / self.random if self.random else 1.0

    @property
    def is_ordered(self) -> bool:
        return self.elementwise_over_random <= UNORDERED_ABOVE

    def to_dict(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "elementwise_over_random": self.elementwise_over_random,
            "is_ordered": self.is_ordered,
        }


def audit_tokens(first: Float[Tensor, "N L D"], second: Float[Tensor, "N L D"]) -> TokenAudit:
    """Compare two encodings of N ≥ 2 shapes, made from different point draws."""
    assert len(first) >= 2, "an audit needs at least two shapes"
    matched = []
    for one, two in zip(first, second, strict=True):
        cost = torch.cdist(one, two).numpy()
        rows, columns = linear_sum_assignment(cost)
        matched.append(float(cost[rows, columns].mean()))
    return TokenAudit(
        elementwise=float((first - second).norm(dim=-1).mean()),
        matched=sum(matched) / len(matched),
        random=float((first - second.roll(1, dims=0)).norm(dim=-1).mean()),
        active_share=float((first.var(dim=0) > ACTIVE_ABOVE).float().mean()),
        num_shapes=len(first),
    )
