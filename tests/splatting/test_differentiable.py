import numpy as np
import torch

from ltm3d.splatting import reference
from ltm3d.splatting.camera import pinhole
from ltm3d.splatting.differentiable import draw_rgba


def test_rgba_and_gradient_are_those_of_the_reference() -> None:
    random = torch.Generator().manual_seed(0)
    table = torch.cat(
        [
            torch.rand(40, 3, generator=random) - 0.5,
            torch.rand(40, 3, generator=random) - 3,
            torch.randn(40, 4, generator=random),
            torch.randn(40, 1, generator=random),
            torch.rand(40, 3, generator=random),
        ],
        dim=1,
    )
    camera = np.eye(4, dtype=np.float32)
    camera[2, 3] = 3.0
    view = pinhole(camera, field_of_view=40.0, resolution=16)
    weight = torch.randn(16, 16, 4, generator=random)
    ours, truth = table.clone().requires_grad_(), table.double().requires_grad_()
    rgba = draw_rgba(ours, view)
    (rgba * weight).sum().backward()
    expected = reference.rasterize(truth, view)
    (expected * weight.double()).sum().backward()
    torch.testing.assert_close(rgba.double(), expected, atol=1e-4, rtol=1e-3)
    assert ours.grad is not None and truth.grad is not None
    torch.testing.assert_close(ours.grad.double(), truth.grad, atol=2e-3, rtol=1e-2)
