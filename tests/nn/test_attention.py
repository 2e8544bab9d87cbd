import pytest
import torch
import torch.nn.functional as F

from ltm3d.nn.attention import Attention, attend


def test_hidden_keys_change_nothing() -> None:
    torch.manual_seed(0)
    attention = Attention(16, num_heads=4, context_width=8)
    x, context = torch.randn(2, 5, 16), torch.randn(2, 7, 8)
    visible = torch.ones(2, 7, dtype=torch.bool)
    visible[:, 4:] = False
    shown = attention(x, context[:, :4])
    assert torch.allclose(attention(x, context, visible=visible), shown, atol=1e-6)
    assert not torch.allclose(attention(x, context), shown, atol=1e-3)


def test_it_is_softmax_of_normalised_scores() -> None:
    torch.manual_seed(0)
    attention = Attention(4, num_heads=1)
    x = torch.randn(1, 3, 4)

    def rms(value: torch.Tensor) -> torch.Tensor:
        return value / value.square().mean(-1, keepdim=True).add(torch.finfo(torch.float32).eps).sqrt()

    query, key, value = (layer(x) for layer in (attention.to_query, attention.to_key, attention.to_value))
    weights = torch.softmax(rms(query) @ rms(key).transpose(1, 2) / 2.0, dim=-1)
    assert torch.allclose(attention(x), attention.to_out(weights @ value), atol=1e-5)


@pytest.mark.parametrize("kind", ["none", "hidden", "bias"])
def test_the_products_written_out_are_the_kernel_forward_and_backward(kind: str) -> None:
    torch.manual_seed(0)
    heads = [torch.randn(2, 3, count, 8).bfloat16().requires_grad_() for count in (5, 7, 7)]
    masks = {"none": None, "hidden": torch.rand(2, 1, 1, 7) < 0.6, "bias": torch.randn(2, 3, 5, 7).bfloat16()}
    mask = masks[kind]
    written_out = attend(*heads, mask)
    assert written_out.dtype == torch.bfloat16
    exact = [part.detach().float().requires_grad_() for part in heads]
    reference = F.scaled_dot_product_attention(*exact, attn_mask=mask.float() if kind == "bias" else mask)
    assert torch.allclose(written_out.float(), reference, atol=0.03)
    direction = torch.randn(reference.shape)
    for one, other in zip(
        torch.autograd.grad(written_out, heads, direction.bfloat16()),
        torch.autograd.grad(reference, exact, direction),
        strict=True,
    ):
        assert torch.allclose(one.float(), other, atol=0.08)


def test_float32_takes_the_kernel_itself() -> None:
    heads = [torch.randn(2, 3, count, 8) for count in (5, 7, 7)]
    assert torch.equal(attend(*heads), F.scaled_dot_product_attention(*heads))
