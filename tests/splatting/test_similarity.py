import numpy as np
import torch
from skimage.metrics import structural_similarity

from ltm3d.splatting.similarity import ssim


def test_it_is_scikit_images_away_from_the_border() -> None:
    random = torch.Generator().manual_seed(0)
    first = torch.rand(2, 3, 40, 40, generator=random)
    second = (first + 0.2 * torch.randn(2, 3, 40, 40, generator=random)).clamp(0, 1)
    first[..., :6, :] = first[..., -6:, :] = first[..., :, :6] = first[..., :, -6:] = 0  # a black frame, in both
    second = torch.where(first == 0, first, second)
    expected = [
        structural_similarity(
            one,
            two,
            channel_axis=0,
            data_range=1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )[1][:, 6:-6, 6:-6].mean()
        for one, two in zip(first.numpy(), second.numpy(), strict=True)
    ]
    ours = []
    for one, two in zip(first, second, strict=True):
        whole = float(ssim(one[None], two[None]))
        ours.append(1 - (1 - whole) * 40**2 / 28**2)  # the frame's own similarity is nearly 1
    np.testing.assert_allclose(ours, expected, atol=0.05)


def test_a_picture_is_like_itself_and_noise_is_not() -> None:
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert float(ssim(picture, picture)) == 1
    assert float(ssim(picture, picture.flip(-1))) < 0.3
    bright = (picture * 0.2 + 0.6, picture * 0.2 + 0.65)
    assert 0.8 < float(ssim(*bright)) < 1


def test_two_flat_pictures_have_the_closed_form() -> None:
    """Without variance SSIM is (2ab + c1) / (a² + b² + c1), in the middle where the border is not seen."""
    one, two = torch.full((1, 1, 64, 64), 0.5), torch.full((1, 1, 64, 64), 0.25)
    truth = (2 * 0.5 * 0.25 + 1e-4) / (0.5**2 + 0.25**2 + 1e-4)
    assert abs(float(ssim(one, two)) - truth) < 0.05


def test_autocast_changes_neither_the_value_nor_the_gradient() -> None:
    random = torch.Generator().manual_seed(0)
    smooth = torch.nn.functional.interpolate(torch.rand(1, 3, 5, 5, generator=random), size=32, mode="bilinear")
    other = (smooth + 0.02 * torch.randn(1, 3, 32, 32, generator=random)).clamp(0, 1).requires_grad_()
    found = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            value = ssim(smooth, other)
        found.append((value, torch.autograd.grad(value.sum(), other)[0]))
    assert found[1][0].dtype == torch.float32
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two)
