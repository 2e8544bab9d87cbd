import torch

from ltm3d.nn.posterior import Posterior


def test_kl_is_that_of_torch_distributions() -> None:
    torch.manual_seed(0)
    mean, log_variance = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    expected = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, torch.exp(0.5 * log_variance)), torch.distributions.Normal(0.0, 1.0)
    ).mean(dim=(1, 2))
    assert torch.allclose(Posterior(mean, log_variance).kl(), expected, atol=1e-6)
