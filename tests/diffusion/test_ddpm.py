import math

import pytest
import torch

from ltm3d.diffusion.ddpm import Ddpm, cosine_alphas_cumprod
from ltm3d.errors import ConfigError

MEAN, STD = 1.5, 0.4


def exact_noise(x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """E[noise | x_t] for x_0 ~ N(MEAN, STD²)."""
    alphas = cosine_alphas_cumprod(1000)
    alpha = alphas[(t * 1000).round().long() - 1][:, None]
    variance = alpha * STD**2 + 1 - alpha
    return (1 - alpha).sqrt() / variance * (x_t - alpha.sqrt() * MEAN)


def test_the_schedule_is_the_cosine_until_beta_is_clipped() -> None:
    alphas = cosine_alphas_cumprod(1000)
    expected = math.cos((0.5 + 0.008) / 1.008 * math.pi / 2) ** 2 / math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    assert float(alphas[499]) == pytest.approx(expected, rel=1e-4)
    assert bool((alphas[1:] < alphas[:-1]).all())
    assert float(alphas[-1]) < 1e-4


@pytest.mark.parametrize("num_steps", [1000, 100])
def test_respaced_sampling_reaches_the_data_distribution(num_steps: int) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(8000, 1, generator=generator)
    samples = Ddpm(num_steps=num_steps).sample(
        exact_noise, noise, draw_normal=lambda: torch.randn(8000, 1, generator=generator)
    )
    assert abs(float(samples.mean()) - MEAN) < 0.03
    assert abs(float(samples.std()) - STD) < 0.04


def test_the_exact_noise_has_the_smallest_loss() -> None:
    generator = torch.Generator().manual_seed(0)
    x_0 = MEAN + STD * torch.randn(20_000, 1, generator=generator)
    noise, normal = torch.randn(20_000, 1, generator=generator), torch.randn(20_000, generator=generator)
    best = Ddpm().loss(exact_noise, x_0, noise, normal).mean()
    worse = Ddpm().loss(lambda x_t, t: exact_noise(x_t, t) + 0.2, x_0, noise, normal).mean()
    assert float(worse - best) == pytest.approx(0.04, rel=0.3)


def test_more_steps_than_timesteps_are_refused() -> None:
    with pytest.raises(ConfigError, match="num_steps is 2000"):
        Ddpm(num_steps=2000)
