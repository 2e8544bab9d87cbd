import torch

from ltm3d.tokenizers.audit import audit_tokens


def test_a_fixed_order_with_noise_is_ordered() -> None:
    torch.manual_seed(0)
    tokens = torch.randn(6, 16, 4)
    audit = audit_tokens(tokens, tokens + 0.1 * torch.randn_like(tokens))
    assert audit.is_ordered
    assert audit.active_share == 1.0


def test_an_arbitrary_order_is_found_out() -> None:
    torch.manual_seed(0)
    tokens = torch.randn(6, 16, 4)
    shuffled = torch.stack([row[torch.randperm(16)] for row in tokens])
    audit = audit_tokens(tokens, shuffled)
    assert not audit.is_ordered
    assert audit.matched < 1e-5 < audit.elementwise


def test_dead_units_are_counted() -> None:
    tokens = torch.randn(20, 4, 2)
    tokens[:, :, 1] = 0.5
    assert audit_tokens(tokens, tokens).active_share == 0.5


def test_tokens_that_are_the_same_for_every_shape_are_not_ordered() -> None:
    """Before, a random distance of 0 was divided by."""
    audit = audit_tokens(torch.ones(3, 4, 2), torch.ones(3, 4, 2))
    assert audit.random == 0 and not audit.is_ordered
    assert audit.to_dict()["elementwise_over_random"] == 1.0
