"""Data N(mean, std²) has a velocity in closed form: the flow must carry noise to exactly that distribution."""

import pytest
import torch

from ltm3d.diffusion.flow_matching import FlowMatching
from ltm3d.errors import ConfigError

MEAN, STD = 1.5, 0.4


def exact_velocity(x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """E[noise − x_0 | x_t] for x_0 ~ N(MEAN, STD²), by the regression formula of joint Gaussians."""
    t = t[:, None]
    variance = ((1 - t) * STD) ** 2 + t**2
    covariance = t - (1 - t) * STD**2
    return -MEAN + covariance / variance * (x_t - (1 - t) * MEAN)


@pytest.mark.parametrize(("solver", "tolerance"), [("euler", 0.03), ("heun", 0.01)])
def test_the_solver_reaches_the_data_distribution(solver: str, tolerance: float) -> None:
    noise = torch.randn(20_000, 2, generator=torch.Generator().manual_seed(0))
    flow = FlowMatching(num_steps=50, solver=solver)
    samples = flow.sample(exact_velocity, noise)
    assert abs(float(samples.mean()) - MEAN) < tolerance
    assert abs(float(samples.std()) - STD) < tolerance


def test_heun_is_of_second_order() -> None:
    noise = torch.randn(2000, 1, generator=torch.Generator().manual_seed(0))
    exact = MEAN + STD * noise  # the flow of a Gaussian is the affine map

    def error(solver: str, num_steps: int) -> float:
        return float(
            (FlowMatching(num_steps=num_steps, solver=solver).sample(exact_velocity, noise) - exact).abs().mean()
        )

    assert error("euler", 32) / error("euler", 64) == pytest.approx(2, rel=0.3)
    assert error("heun", 32) / error("heun", 64) == pytest.approx(4, rel=0.3)


def test_the_exact_velocity_has_the_smallest_loss() -> None:
    generator = torch.Generator().manual_seed(0)
    x_0 = MEAN + STD * torch.randn(20_000, 1, generator=generator)
    noise, normal = torch.randn(20_000, 1, generator=generator), torch.randn(20_000, generator=generator)
    flow = FlowMatching()
    best = flow.loss(exact_velocity, x_0, noise, normal).mean()
    for shift in (-0.1, 0.1):
        shifted = flow.loss(lambda x_t, t, shift=shift: exact_velocity(x_t, t) + shift, x_0, noise, normal).mean()
        assert float(shifted - best) == pytest.approx(shift**2, rel=0.5)


def test_wrong_settings_name_value_and_limit() -> None:
    with pytest.raises(ConfigError, match="num_steps is 0"):
        FlowMatching(num_steps=0)
    with pytest.raises(ConfigError, match="rk45"):
        FlowMatching(solver="rk45")
