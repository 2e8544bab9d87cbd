import numpy as np
import pytest
import torch

from ltm3d.splatting.picture_loss import absolute_error, measure_psnr, premultiply
from ltm3d.splatting.rasterize import from_blocks, to_blocks


def test_pictures_become_premultiplied_rgba() -> None:
    image = np.array([[[[200, 100, 0, 51]]]], np.uint8)
    assert premultiply(image)[0, 0, 0] == pytest.approx([200 / 255 / 5, 100 / 255 / 5, 0, 0.2])


def test_the_loss_and_its_gradient_are_autograds() -> None:
    rng = np.random.default_rng(0)
    rgba, target = rng.random((2, 8, 8, 4)).astype(np.float32)
    rgba[:4] = target[:4]  # no error, no gradient
    background = rng.random(3).astype(np.float32)
    gradient = np.empty_like(to_blocks(rgba))
    loss = absolute_error(to_blocks(rgba), to_blocks(target), background, gradient)
    leaf = torch.from_numpy(rgba).requires_grad_()
    colors = [f[..., :3] + (1 - f[..., 3:]) * torch.from_numpy(background) for f in (leaf, torch.from_numpy(target))]
    truth = (colors[0] - colors[1]).abs().mean()
    truth.backward()
    assert loss == pytest.approx(truth.item(), rel=1e-5)
    assert np.allclose(from_blocks(gradient), leaf.grad.numpy(), atol=1e-9)
    assert not from_blocks(gradient)[:4].any()


def test_the_psnr_of_nothing_against_a_half_covered_picture() -> None:
    """White, half of the pixels: over black they are wrong by 1, over white by 0."""
    rgbas = np.zeros((1, 8, 8, 4), np.float32)
    rgbas[0, :4] = 1
    psnr = measure_psnr(np.zeros((0, 14), np.float32), rgbas, np.eye(4)[None], field_of_view=30.0)
    assert psnr == pytest.approx([-10 * np.log10(0.25)])
