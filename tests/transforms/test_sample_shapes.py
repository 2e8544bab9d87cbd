"""How generated tokens become shapes is what the settings say."""

import numpy as np
import pytest
import torch
from tiny_tokenizers import train_sphere_tokenizer

from ltm3d.errors import ConfigError
from ltm3d.metrics.surface import chamfer_l1
from ltm3d.settings import convert
from ltm3d.shards.manifest import key_of
from ltm3d.transforms.sample_shapes import SampleShapesConfig, decode_samples, list_prompts


def test_fields_are_decoded_in_bf16_where_the_settings_ask_for_it() -> None:
    """Before, no setting reached it. The surface is the one of fp32 to a hundredth of its size, and not the same."""
    tokenizer = train_sphere_tokenizer(0).eval().requires_grad_(False)
    points = []
    for precision in ("fp32", "bf16"):
        settings = {"precision": precision, "resolution": 32, "prompts": ["text"], "num_seeds": 1}
        config = convert(settings, SampleShapesConfig, "sampling.sdf")
        result = decode_samples(tokenizer, list_prompts(["a"], config), torch.zeros(1, 4, 4), config.decode)
        assert not result.rejects
        points.append(result.arrays["vertices"][0])
    assert points[0].shape != points[1].shape or np.abs(points[0] - points[1]).max() > 0
    assert 0 < chamfer_l1(*points) < 0.01


def test_work_of_before_keeps_its_key_and_another_precision_is_refused() -> None:
    assert key_of(SampleShapesConfig()) == key_of(SampleShapesConfig(precision="fp32"))
    assert key_of(SampleShapesConfig()) != key_of(SampleShapesConfig(precision="bf16"))
    with pytest.raises(ConfigError, match="'fp16' is none of 'fp32', 'bf16'"):
        convert({"precision": "fp16"}, SampleShapesConfig, "sampling.sdf")
