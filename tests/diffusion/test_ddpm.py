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


def exact_noise_and_variance(x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Beside the noise v, such that the variance is that of q(x_{t-1} | x_t) itself, x_0 being unknown."""
    alphas = cosine_alphas_cumprod(1000).double()
    index = ((t * 1000).round().long() - 1).clamp(min=1)
    alpha, before = alphas[index], alphas[index - 1]
    beta = 1 - alpha / before
    low = (beta * (1 - before) / (1 - alpha)).log()
    spread = before.sqrt() * beta / (1 - alpha)  # of x_0 in the mean
    of_x_0 = STD**2 * (1 - alpha) / (alpha * STD**2 + 1 - alpha)  # Var[x_0 | x_t]
    log_variance = (low.exp() + spread**2 * of_x_0).log()
    v = 2 * (log_variance - low) / (beta.log() - low) - 1
    return torch.cat([exact_noise(x_t, t), v.float()[:, None].expand_as(x_t)], dim=1)


def test_the_exact_variance_has_the_smallest_loss_and_only_it_is_trained_by_the_bound() -> None:
    generator = torch.Generator().manual_seed(0)
    x_0 = MEAN + STD * torch.randn(50_000, 1, generator=generator)
    noise, normal = torch.randn(50_000, 1, generator=generator), torch.randn(50_000, generator=generator)
    ddpm = Ddpm(variance="learned", vlb_weight=1.0)
    assert ddpm.num_outputs(7) == 14 and Ddpm().num_outputs(7) == 7

    def moved(by: float) -> float:
        shift = torch.tensor([0.0, by])
        return float(ddpm.loss(lambda x_t, t: exact_noise_and_variance(x_t, t) + shift, x_0, noise, normal).mean())

    assert moved(0.0) < min(moved(-0.2), moved(0.2))
    outputs = exact_noise_and_variance(x_0, torch.full((len(x_0),), 0.5)).requires_grad_()
    plain = Ddpm().loss(lambda x_t, t: outputs[:, :1], x_0, noise, normal).mean()
    (bound,) = torch.autograd.grad(ddpm.loss(lambda x_t, t: outputs, x_0, noise, normal).mean(), outputs)
    (simple,) = torch.autograd.grad(plain, outputs)
    assert torch.equal(bound[:, 0], simple[:, 0]) and bool(bound[:, 1].any())


def test_few_steps_keep_the_spread_of_the_data_better_with_the_learned_variance() -> None:
    errors = {}
    for variance, model in (("fixed", exact_noise), ("learned", exact_noise_and_variance)):
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(20_000, 1, generator=generator)
        samples = Ddpm(num_steps=25, variance=variance).sample(
            model, noise, draw_normal=lambda generator=generator: torch.randn(20_000, 1, generator=generator)
        )
        errors[variance] = abs(float(samples.std()) - STD)
    assert errors["learned"] < errors["fixed"], errors


def test_more_steps_than_timesteps_are_refused() -> None:
    with pytest.raises(ConfigError, match="num_steps is 2000"):
        Ddpm(num_steps=2000)
    with pytest.raises(ConfigError, match="variance is 'wild'"):
        Ddpm(variance="wild")
