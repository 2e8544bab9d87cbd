"""EfficientNet-Lite0's features: as many tokens whatever the picture, in their places, and no chance in them."""

import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet

from ltm3d.conditioning.efficientnet import EfficientNetEncoder
from ltm3d.errors import ConfigError


@pytest.fixture(scope="module")
def encoder() -> EfficientNetEncoder:
    return EfficientNetEncoder.load()


def pictures(count: int, side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 4), dtype=np.uint8)


@pytest.mark.parametrize("size", [64, 128, 256])
def test_any_size_gives_the_same_number_of_tokens(size: int) -> None:
    tokens, pooled = EfficientNetEncoder.load(size=size).encode(pictures(2, 40))
    assert tokens.shape == (2, 64, 472) and pooled.shape == (2, 64 * 112) and tokens.dtype == torch.float32


@pytest.mark.parametrize("size", [32, 100, 0, -128])
def test_a_size_that_the_strides_do_not_divide_is_refused(size: int) -> None:
    with pytest.raises(ConfigError, match=f"image_size is {size}, must be a multiple of 32"):
        EfficientNetEncoder.load(size=size)


def test_the_features_are_the_networks_own(encoder: EfficientNetEncoder) -> None:
    """What its classifier would go on with from the last of them."""
    network: EfficientNet = encoder.network
    pixels = encoder.pixels(pictures(2, 128))
    with torch.inference_mode():
        features = encoder.features(pixels)
        assert {stride: tuple(each.shape[1:]) for stride, each in features.items() if stride > 4} == {
            8: (40, 16, 16), 16: (112, 8, 8), 32: (320, 4, 4)
        }  # fmt: skip
        head = network._swish(network._bn1(network._conv_head(features[32])))
        torch.testing.assert_close(head, network.extract_features(pixels))


def test_a_token_says_what_is_in_its_place(encoder: EfficientNetEncoder) -> None:
    """Row by row from the top left: a mark changes the token of its place most."""
    blank = np.full((1, 128, 128, 4), 255, np.uint8)
    for row, column in ((1, 1), (1, 6), (6, 2)):
        marked = blank.copy()
        marked[0, row * 16 : row * 16 + 16, column * 16 : column * 16 + 16, :3] = (200, 20, 20)
        change = (encoder.encode(marked)[0] - encoder.encode(blank)[0])[0, :, :40].norm(dim=-1)  # of stride 8
        assert int(change.argmax()) == row * 8 + column


def test_transparent_pixels_count_as_white_and_batches_do_not_matter(encoder: EfficientNetEncoder) -> None:
    clear = pictures(3, 96)
    clear[..., 3] = 0
    torch.testing.assert_close(encoder.encode(clear)[0], encoder.encode(np.full_like(clear, 255))[0])
    images = pictures(3, 96)
    alone = torch.cat([encoder.encode(images[index : index + 1])[0] for index in range(3)])
    torch.testing.assert_close(encoder.encode(images)[0], alone, atol=1e-4, rtol=1e-4)


def test_nothing_of_it_is_trained(encoder: EfficientNetEncoder) -> None:
    assert not encoder.network.training and not any(each.requires_grad for each in encoder.network.parameters())
