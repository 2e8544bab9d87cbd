import torch
import torch.nn.functional as F

from ltm3d.nn.residual_quantizer import ResidualQuantizer


def quantizer(depth: int = 6) -> ResidualQuantizer:
    torch.manual_seed(0)
    return ResidualQuantizer(4, depth=depth, num_codes=16)


def test_the_error_never_grows_with_depth_and_falls_in_the_mean() -> None:
    model, vectors = quantizer(), torch.randn(200, 4)
    indices = model(vectors).indices
    errors = torch.stack([(vectors - model.decode(indices[:, :depth])).norm(dim=1) for depth in range(1, 7)])
    assert (errors.diff(dim=0) <= 1e-6).all()
    assert (errors.mean(dim=1).diff() < 0).all()


def test_indices_are_the_nearest_codes_and_give_the_values_back() -> None:
    model, vectors = quantizer(2), torch.randn(50, 4)
    quantized = model(vectors)
    assert torch.equal(model.decode(quantized.indices), quantized.values)
    residual = vectors
    for codebook, index in zip(model.codebooks(), quantized.indices.T, strict=True):
        assert torch.equal(torch.cdist(residual, codebook).argmin(dim=1), index)
        residual = residual - codebook[index]


def test_the_straight_through_gradient_is_that_of_the_values() -> None:
    model, direction = quantizer(), torch.randn(20, 4)
    vectors = torch.randn(20, 4, requires_grad=True)
    (model(vectors).values * direction).sum().backward()
    assert torch.equal(vectors.grad, direction)
    assert model.codes.grad is None


def test_dead_codes_come_to_life() -> None:
    model, data = quantizer(2), torch.randn(400, 4) * 0.3 + 5  # far from where all codes begin
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-2)
    before = model(data)
    for _ in range(400):
        optimizer.zero_grad()
        model(data).loss.backward()
        optimizer.step()
    after = model(data)
    assert before.used_share < 0.3 and after.used_share > 0.6
    assert F.mse_loss(after.values, data) < 0.25 * 0.3**2 < 0.01 * F.mse_loss(before.values, data)
