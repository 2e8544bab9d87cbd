import pytest
import torch
from torch import nn

from ltm3d.tokenizers.field_losses import eikonal_loss, field_gradients, normal_loss

POINTS = nn.functional.normalize(torch.randn(2, 50, 3), dim=-1) * (0.3 + torch.rand(2, 50, 1))


@pytest.mark.parametrize(("slope", "eikonal", "normal"), [(1.0, 0.0, 0.0), (2.0, 1.0, 0.0), (-1.0, 0.0, 2.0)])
def test_of_a_balls_distance_times_a_slope(slope: float, eikonal: float, normal: float) -> None:
    gradients = field_gradients(lambda points: slope * (points.norm(dim=-1) - 0.5), POINTS)
    torch.testing.assert_close(gradients, slope * nn.functional.normalize(POINTS, dim=-1))
    assert eikonal_loss(gradients).item() == pytest.approx(eikonal, abs=1e-5)
    assert normal_loss(gradients, nn.functional.normalize(POINTS, dim=-1)).item() == pytest.approx(normal, abs=1e-5)


def test_the_losses_reach_the_fields_parameters_and_are_measured_without_gradients_too() -> None:
    """d loss / d slope = 2 (|slope| − 1) sign(slope), in closed form."""
    slope = torch.tensor(3.0, requires_grad=True)

    def field(points: torch.Tensor) -> torch.Tensor:
        return slope * points.norm(dim=-1)

    eikonal_loss(field_gradients(field, POINTS)).backward()
    assert slope.grad is not None and slope.grad.item() == pytest.approx(4.0, rel=1e-5)
    with torch.no_grad():
        measured = eikonal_loss(field_gradients(field, POINTS))
    assert not measured.requires_grad and measured.item() == pytest.approx(4.0, rel=1e-5)


def test_a_field_that_is_flat_has_a_finite_loss_and_derivative() -> None:
    weight = torch.zeros(3, requires_grad=True)
    gradients = field_gradients(lambda points: points @ weight, POINTS)
    (eikonal_loss(gradients) + normal_loss(gradients, POINTS)).backward()
    assert weight.grad is not None and weight.grad.isfinite().all()
