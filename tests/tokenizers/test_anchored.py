from typing import Any

import pytest
from tiny_tokenizers import SMALL

from ltm3d.errors import ConfigError
from ltm3d.tokenizers.anchored import AnchoredConfig
from ltm3d.tokenizers.gaussians import GaussiansTokenizerConfig
from ltm3d.tokenizers.point_cloud import PointCloudTokenizerConfig
from ltm3d.tokenizers.sdf import SdfTokenizerConfig


@pytest.mark.parametrize("kind", [SdfTokenizerConfig, PointCloudTokenizerConfig, GaussiansTokenizerConfig])
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"num_tokens": 0}, "num_tokens is 0; it must be at least 1"),
        ({"encoder_depth": -1}, r"encoder_depth is -1; use 0 \(none\) or more"),
        ({"decoder_depth": -1}, r"decoder_depth is -1; use 0 \(none\) or more"),
        ({"kl_weight": -1.0}, r"kl_weight is -1\.0; use 0 \(none\) or more"),
    ],
)
def test_what_no_tokenizer_of_sets_can_be_built_with_is_refused(
    kind: type[AnchoredConfig], wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        kind(**SMALL | wrong)


@pytest.mark.parametrize("name", ["picture_weight", "ssim_weight"])
def test_weights_of_one_kind_are_checked_too(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is -0.1"):
        GaussiansTokenizerConfig(**SMALL | {name: -0.1})
