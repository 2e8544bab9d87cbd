"""Rectified flow between data and noise (Lipman et al. 2023; Esser et al. 2024).

x_t = (1 - t) x_0 + t noise,     v = dx_t/dt = noise - x_0,     t = 0 data, t = 1 noise
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ltm3d.errors import ConfigError

# N rows, each of channels, or of tokens and channels

Velocity = Callable[[Float[Tensor, "N *D"], Float[Tensor, " #N"]], Float[Tensor, "N *D"]]  # t of each row or of all


@dataclass(frozen=True, kw_only=True)
class FlowMatching:
    """Train on logit-normal t and sample by Euler's or Heun's method.

    Attributes:
        num_steps: steps of the solver from noise to data.
        time_std: standard deviation of logit(t) in training; 0 means uniform t.
        solver: `euler` or `heun` (second order, two evaluations a step).
    """

    num_steps: int = 16
    time_std: float = 1.0
    solver: str = "euler"

    def __post_init__(self) -> None:
        if self.num_steps < 1:
            raise ConfigError(f"num_steps is {self.num_steps}; it must be at least 1")
        if self.time_std < 0:
            raise ConfigError(f"time_std is {self.time_std}; it must be 0 (uniform) or more")
        if self.solver not in ("euler", "heun"):
            raise ConfigError(f"solver is {self.solver!r}; it must be 'euler' or 'heun'")

    def loss(
        self,
        denoise: Velocity,
        x_0: Float[Tensor, "N *D"],
        noise: Float[Tensor, "N *D"],
        normal: Float[Tensor, " N"],
    ) -> Float[Tensor, " N"]:
        """Return the squared error of the velocity, the mean of each row.

        Args:
            normal: one standard normal draw a row, from which t is made.
        """
        t = torch.sigmoid(self.time_std * normal) if self.time_std > 0 else torch.special.ndtr(normal)
        share = t.reshape(-1, *[1] * (x_0.ndim - 1))
        x_t = (1 - share) * x_0 + share * noise
        return (denoise(x_t, t) - (noise - x_0)).square().flatten(1).mean(dim=1)

    def sample(
        self, denoise: Velocity, noise: Float[Tensor, "N *D"], *, temperature: float = 1.0
    ) -> Float[Tensor, "N *D"]:
        """Integrate dx/dt = v from noise (t = 1) to data (t = 0).

        Args:
            temperature: factor on the initial noise; below 1 trades variety for typicality.
        """
        x_t = noise * temperature
        times = torch.linspace(1.0, 0.0, self.num_steps + 1, device=noise.device)
        for t, t_next in itertools.pairwise(times):
            velocity = denoise(x_t, t[None])
            x_next = x_t + (t_next - t) * velocity
            if self.solver == "heun" and t_next > 0:
                velocity_next = denoise(x_next, t_next[None])
                x_next = x_t + (t_next - t) * 0.5 * (velocity + velocity_next)
            x_t = x_next
        return x_t
