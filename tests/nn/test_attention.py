import torch

from ltm3d.nn.attention import Attention


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
