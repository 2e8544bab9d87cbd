"""Denoising diffusion with the cosine schedule (Ho et al. 2020; Nichol & Dhariwal 2021).

x_t = √ᾱ_t x_0 + √(1 - ᾱ_t) noise,     ᾱ_t = f(t)/f(0),     f(t) = cos²((t/T + s)/(1 + s) · π/2)
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ltm3d.errors import ConfigError

Noise = Callable[[Float[Tensor, "N D"], Float[Tensor, " N"]], Float[Tensor, "N D"]]
DrawNormal = Callable[[], Float[Tensor, "N D"]]

COSINE_OFFSET = 0.008
MAX_BETA = 0.999


def cosine_alphas_cumprod(num_timesteps: int) -> Float[Tensor, " T"]:
    """Return ᾱ_1..ᾱ_T with each β clipped at 0.999 (Nichol & Dhariwal, equation 17)."""
    t = torch.arange(num_timesteps + 1, dtype=torch.float64) / num_timesteps
    f = torch.cos((t + COSINE_OFFSET) / (1 + COSINE_OFFSET) * math.pi / 2).square()
    betas = (1 - f[1:] / f[:-1]).clamp(max=MAX_BETA)
    return torch.cumprod(1 - betas, dim=0).float()


@dataclass(frozen=True, kw_only=True)
class Ddpm:
    """Train to predict the noise; sample ancestrally over evenly respaced steps.

    Attributes:
        num_timesteps: T of the training schedule.
        num_steps: steps of the respaced sampler.
        max_x_0: bound on the predicted data's absolute value (tokens have unit variance). At the first step
            √ᾱ is almost 0, and the smallest error of the noise would become an enormous x̂_0.
    """

    num_timesteps: int = 1000
    num_steps: int = 100
    max_x_0: float = 6.0

    def __post_init__(self) -> None:
        if not 1 <= self.num_steps <= self.num_timesteps:
            raise ConfigError(f"num_steps is {self.num_steps}; it must lie in 1..num_timesteps = {self.num_timesteps}")

    def loss(
        self,
        denoise: Noise,
        x_0: Float[Tensor, "N D"],
        noise: Float[Tensor, "N D"],
        normal: Float[Tensor, " N"],
    ) -> Float[Tensor, " N"]:
        """Return the squared error of the noise a row, mean over channels, at uniform timesteps."""
        alphas = cosine_alphas_cumprod(self.num_timesteps).to(x_0.device)
        index = (torch.special.ndtr(normal) * self.num_timesteps).long().clamp(max=self.num_timesteps - 1)
        alpha = alphas[index][:, None]
        x_t = alpha.sqrt() * x_0 + (1 - alpha).sqrt() * noise
        return (denoise(x_t, self._time(index)) - noise).square().mean(dim=-1)

    def sample(
        self, denoise: Noise, noise: Float[Tensor, "N D"], *, draw_normal: DrawNormal, temperature: float = 1.0
    ) -> Float[Tensor, "N D"]:
        """Run the posterior q(x_s | x_t, x̂_0) over the respaced steps (Ho et al., equations 6 and 7).

        Args:
            draw_normal: gives fresh standard normal noise, once a step but the last.
            temperature: factor on the noise added at each step.
        """
        alphas = cosine_alphas_cumprod(self.num_timesteps).to(noise.device)
        indices = torch.linspace(self.num_timesteps - 1, 0, self.num_steps, device=noise.device).round().long()
        x_t = noise
        for position, index in enumerate(indices):
            alpha = alphas[index]
            last = position + 1 == len(indices)
            alpha_next = torch.ones_like(alpha) if last else alphas[indices[position + 1]]
            predicted = denoise(x_t, self._time(index).expand(len(x_t)))
            x_0 = ((x_t - (1 - alpha).sqrt() * predicted) / alpha.sqrt()).clamp(-self.max_x_0, self.max_x_0)
            beta = 1 - alpha / alpha_next
            mean = (alpha_next.sqrt() * beta * x_0 + (alpha / alpha_next).sqrt() * (1 - alpha_next) * x_t) / (1 - alpha)
            variance = beta * (1 - alpha_next) / (1 - alpha)
            x_t = mean if last else mean + temperature * variance.sqrt() * draw_normal()
        return x_t

    def _time(self, index: Tensor) -> Tensor:
        return (index + 1) / self.num_timesteps
