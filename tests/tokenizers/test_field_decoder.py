import pytest
import torch

from ltm3d.tokenizers.field_decoder import FieldDecoder


def decoder(width: int) -> FieldDecoder:
    """With every weight at random, those that begin as ones and zeros too."""
    torch.manual_seed(0)
    field = FieldDecoder(width, num_frequencies=5)
    for parameter in field.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, mean=0.5, std=0.5)
    return field


@pytest.mark.parametrize("width", [24, 128])  # fewer channels than waves, and more
def test_the_folded_field_is_the_plain_one(width: int) -> None:
    field = decoder(width).double()
    memory, anchors = torch.randn(1, 20, width).double(), torch.rand(20, 3).double() - 0.5
    queries = 2 * torch.rand(500, 3).double() - 1
    with torch.no_grad():
        plain = field(queries[None], memory, anchors)[0]
    torch.testing.assert_close(field.fold(memory[0], anchors)(queries), plain, rtol=1e-9, atol=1e-9)


def test_in_single_precision_it_is_as_exact_as_the_plain_one() -> None:
    field = decoder(128)
    memory, anchors = torch.randn(1, 64, 128), torch.rand(64, 3) - 0.5
    queries = 2 * torch.rand(2000, 3) - 1
    with torch.no_grad():
        plain = field(queries[None], memory, anchors)[0]
        truth = decoder(128).double()(queries[None].double(), memory.double(), anchors.double())[0]
    folded = field.fold(memory[0], anchors)(queries)
    error = (folded - truth).abs().max()
    assert error < 1e-4 and error < 3 * (plain - truth).abs().max() + 1e-6
