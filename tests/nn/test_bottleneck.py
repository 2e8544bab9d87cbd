import torch

from ltm3d.nn.bottleneck import NormalizedBottleneck


def test_tokens_have_mean_0_and_variance_1_and_nothing_is_drawn() -> None:
    torch.manual_seed(0)
    bottleneck = NormalizedBottleneck(32, 16)
    states = 5 * torch.randn(2, 7, 32)
    posterior = bottleneck(states)
    projected = bottleneck.project(states)
    by_hand = (projected - projected.mean(-1, keepdim=True)) / (
        projected.var(-1, correction=0, keepdim=True) + 1e-3
    ).sqrt()
    torch.testing.assert_close(posterior.mean, by_hand)
    torch.testing.assert_close(posterior.mean.norm(dim=-1), torch.full((2, 7), 4.0), rtol=1e-2, atol=0)
    assert (posterior.sample(torch.randn(2, 7, 16)) - posterior.mean).abs().max() < 1e-3


def test_the_kl_pulls_at_nothing() -> None:
    torch.manual_seed(0)
    bottleneck = NormalizedBottleneck(32, 16)
    bottleneck(torch.randn(2, 7, 32) * 30).kl().mean().backward()
    assert bottleneck.project.weight.grad is not None and bottleneck.project.weight.grad.abs().max() < 1e-4
