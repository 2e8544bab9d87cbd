"""Denoising diffusion with the cosine schedule (Ho et al. 2020; Nichol & Dhariwal 2021).

x_t = √ᾱ_t x_0 + √(1 - ᾱ_t) noise,     ᾱ_t = f(t)/f(0),     f(t) = cos²((t/T + s)/(1 + s) · π/2)

The posterior q(x_s | x_t, x_0) of two times s < t has β = 1 - ᾱ_t/ᾱ_s, the variance β̃ = β (1 - ᾱ_s)/(1 - ᾱ_t) and the
mean (√ᾱ_s β x_0 + √(ᾱ_t/ᾱ_s) (1 - ᾱ_s) x_t)/(1 - ᾱ_t).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ltm3d.errors import ConfigError

Noise = Callable[[Float[Tensor, "N D"], Float[Tensor, " #N"]], Float[Tensor, "N O"]]  # t of each row or of all
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
        variance: `fixed`, the posterior's β̃; `learned`, between β̃ and β (Nichol & Dhariwal, equation 15): the model
            then has a second output a channel, v in [-1, 1] for the range of log variances.
        vlb_weight: λ, weight of the variational bound that trains the variance (equation 16).
        max_x_0: bound on the predicted data's absolute value (tokens have unit variance). At the first step
            √ᾱ is almost 0, and the smallest error of the noise would become an enormous x̂_0.
    """

    num_timesteps: int = 1000
    num_steps: int = 100
    variance: str = "fixed"
    vlb_weight: float = 0.001
    max_x_0: float = 6.0

    def __post_init__(self) -> None:
        if self.variance not in ("fixed", "learned"):
            raise ConfigError(f"variance is {self.variance!r}; it must be 'fixed' or 'learned'")
        if not 1 <= self.num_steps <= self.num_timesteps:
            raise ConfigError(f"num_steps is {self.num_steps}; it must lie in 1..num_timesteps = {self.num_timesteps}")

    def num_outputs(self, num_channels: int) -> int:
        """Return how many numbers a row the model must give for data of so many channels."""
        return num_channels * (2 if self.variance == "learned" else 1)

    def loss(
        self,
        denoise: Noise,
        x_0: Float[Tensor, "N D"],
        noise: Float[Tensor, "N D"],
        normal: Float[Tensor, " N"],
    ) -> Float[Tensor, " N"]:
        """Return the squared error of the noise a row, mean over channels, at uniform timesteps.

        With a learned variance λ T times the divergence of the posteriors is added; it trains the variance alone.

        Args:
            normal: one standard normal draw a row, from which the timestep is made.
        """
        alphas = cosine_alphas_cumprod(self.num_timesteps).to(x_0.device)
        index = (torch.special.ndtr(normal) * self.num_timesteps).long().clamp(max=self.num_timesteps - 1)
        alpha = alphas[index][:, None]
        x_t = alpha.sqrt() * x_0 + (1 - alpha).sqrt() * noise
        outputs = denoise(x_t, self._time(index))
        predicted = outputs[:, : x_0.shape[1]]
        loss = (predicted - noise).square().mean(dim=-1)
        if self.variance == "fixed":
            return loss
        before = index.clamp(min=1) - 1  # the first step has no posterior of its own and takes the second's
        alpha, alpha_next = alphas[before + 1][:, None], alphas[before][:, None]
        low = _posterior_variance(alpha, alpha_next).log()
        log_variance = self._log_variance(outputs[:, x_0.shape[1] :], alpha, alpha_next)
        scale = alpha_next.sqrt() * (1 - alpha / alpha_next) / (1 - alpha)  # of x_0 in the posterior's mean
        error = scale * ((1 - alpha) / alpha).sqrt() * (predicted.detach() - noise)
        divergence = 0.5 * (log_variance - low + (low - log_variance).exp() + error.square() / log_variance.exp() - 1)
        return loss + self.vlb_weight * self.num_timesteps * divergence.mean(dim=-1)

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
            outputs = denoise(x_t, self._time(index)[None])
            predicted = outputs[:, : noise.shape[1]]
            x_0 = ((x_t - (1 - alpha).sqrt() * predicted) / alpha.sqrt()).clamp(-self.max_x_0, self.max_x_0)
            beta = 1 - alpha / alpha_next
            mean = (alpha_next.sqrt() * beta * x_0 + (alpha / alpha_next).sqrt() * (1 - alpha_next) * x_t) / (1 - alpha)
            if last:
                return mean
            if self.variance == "fixed":
                std = _posterior_variance(alpha, alpha_next).sqrt()
            else:
                v = outputs[:, noise.shape[1] :].clamp(-1, 1)
                std = (0.5 * self._log_variance(v, alpha, alpha_next)).exp()
            x_t = mean + temperature * std * draw_normal()
        return x_t

    def _log_variance(self, v: Tensor, alpha: Tensor, alpha_next: Tensor) -> Tensor:
        low, high = _posterior_variance(alpha, alpha_next).log(), (1 - alpha / alpha_next).log()
        return low + (v + 1) / 2 * (high - low)

    def _time(self, index: Tensor) -> Tensor:
        return (index + 1) / self.num_timesteps


def _posterior_variance(alpha: Tensor, alpha_next: Tensor) -> Tensor:
    return (1 - alpha / alpha_next) * (1 - alpha_next) / (1 - alpha)
