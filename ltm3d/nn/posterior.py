"""Diagonal Gaussian posterior of latent tokens."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Posterior:
    """q(tokens | shape) = N(mean, diag(exp(log_variance)))."""

    mean: Float[Tensor, "B L D"]
    log_variance: Float[Tensor, "B L D"]

    @property
    def std(self) -> Float[Tensor, "B L D"]:
        return torch.exp(0.5 * self.log_variance)

    def sample(self, noise: Float[Tensor, "B L D"]) -> Float[Tensor, "B L D"]:
        """Reparametrise: mean + std · noise."""
        return self.mean + self.std * noise

    def kl(self) -> Float[Tensor, " B"]:
        """KL to the standard normal in nats, mean over tokens and channels."""
        return 0.5 * (self.mean.square() + self.log_variance.exp() - 1 - self.log_variance).mean(dim=(1, 2))
