import torch
from tiny_tokens import randomize

from ltm3d.generator.denoiser import DenoiseNet


def build() -> DenoiseNet:
    torch.manual_seed(0)
    model = DenoiseNet(token_dim=4, num_outputs=4, condition_width=8, width=16, depth=2)
    randomize(model)
    return model


def test_draws_of_a_token_share_its_modulation() -> None:
    model = build()
    conditions, x_t, t = torch.randn(3, 8), torch.randn(6, 4), torch.rand(6)
    together = model(x_t, t, model.modulate(conditions))
    apart = model(x_t, t, model.modulate(conditions.repeat_interleave(2, dim=0)))
    assert torch.allclose(together, apart, atol=1e-6)
    rows = [model(x_t[[row]], t[[row]], model.modulate(conditions[[row // 2]])) for row in range(6)]
    alone = torch.cat(rows)
    assert torch.allclose(together, alone, atol=1e-6)


def test_one_time_for_all_is_that_time_for_each() -> None:
    model = build()
    modulation, x_t = model.modulate(torch.randn(3, 8)), torch.randn(3, 4)
    assert torch.allclose(model(x_t, torch.tensor([0.3]), modulation), model(x_t, torch.full((3,), 0.3), modulation))


def test_it_begins_as_zero_and_hears_time_and_condition() -> None:
    torch.manual_seed(0)
    fresh = DenoiseNet(token_dim=4, num_outputs=4, condition_width=8, width=16, depth=2)
    x_t, t, conditions = torch.randn(3, 4), torch.rand(3), torch.randn(3, 8)
    assert not fresh(x_t, t, fresh.modulate(conditions)).any()
    model = build()
    base = model(x_t, t, model.modulate(conditions))
    assert (model(x_t, t.flip(0), model.modulate(conditions)) - base).abs().max() > 1e-3
    assert (model(x_t, t, model.modulate(conditions.flip(0))) - base).abs().max() > 1e-3
