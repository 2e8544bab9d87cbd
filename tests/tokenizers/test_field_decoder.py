from dataclasses import replace

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


@pytest.mark.parametrize(("width", "num_memory"), [(128, 64), (256, 512)])
def test_in_bf16_it_is_within_a_hundredth_of_the_fields_own_range(width: int, num_memory: int) -> None:
    field = decoder(width)
    memory, anchors = torch.randn(1, num_memory, width), 1.5 * torch.rand(num_memory, 3) - 0.75
    queries = 2 * torch.rand(4000, 3) - 1
    exact = field.fold(memory[0], anchors)
    error = (exact.to_bf16()(queries) - exact(queries)).abs()
    scale = exact(queries).std()
    assert error.mean() < 0.01 * scale and error.max() < 0.1 * scale
    rounded = torch.cat([exact.keys.bfloat16().float()])  # what is not split is an order of magnitude coarser
    coarse = (replace(exact, keys=rounded)(queries) - exact(queries)).abs()
    assert error.mean() < coarse.mean()


def test_each_shape_may_have_anchors_of_its_own() -> None:
    field = decoder(24)
    memory, anchors, queries = torch.randn(2, 20, 24), torch.rand(2, 20, 3) - 0.5, 2 * torch.rand(2, 50, 3) - 1
    together = field(queries, memory, anchors)
    for index in range(2):
        alone = field(queries[index : index + 1], memory[index : index + 1], anchors[index])
        torch.testing.assert_close(together[index], alone[0])
