"""Condition tokens of any scale come out alike, a constant channel does no harm, and what was learnt is kept."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_tokens import SHAPE, batch_of

from ltm3d.errors import DataError
from ltm3d.generator.dit import Dit, DitConfig
from ltm3d.generator.ltr import LTR, LTRConfig
from ltm3d.generator.model import Generator, GeneratorConfig
from ltm3d.generator.prefix import Condition
from ltm3d.generator.standardization import ChannelStatistics, ConditionStatistics, StandardizedProjection
from ltm3d.generator.token_model import TokenModel, TokenShape
from ltm3d.nn.randomness import StepRandom

STANDARDIZED = TokenShape(num_tokens=8, token_dim=4, image_width=12, text_width=10, num_image_tokens=5)
CONFIGS = {
    LTR: LTRConfig(width=32, depth=1, num_heads=4),
    Dit: DitConfig(width=32, depth=1, num_heads=4, num_prefix=3),
    Generator: GeneratorConfig(
        width=32, encoder_depth=1, decoder_depth=1, num_heads=4, num_prefix=3, denoiser_width=32, denoiser_depth=1
    ),
}


def statistics_of(channels: int, seed: int) -> ChannelStatistics:
    rng = np.random.default_rng(seed)
    return ChannelStatistics.of([rng.normal(rng.normal(size=channels), rng.uniform(1, 9, channels), (50, channels))])


def test_statistics_are_of_all_tokens_however_many_an_asset_has() -> None:
    rng = np.random.default_rng(0)
    assets = [rng.normal(3, [1, 5, 2], (count, 3)).astype(np.float16) for count in (4, 100, 7)]
    found = ChannelStatistics.of(assets)
    whole = np.concatenate(assets).astype(np.float64)
    np.testing.assert_allclose(found.mean, whole.mean(0), rtol=1e-5)
    np.testing.assert_allclose(found.std, whole.std(0), rtol=1e-5)


def test_a_constant_channel_has_a_floor_and_stays_small() -> None:
    tokens = np.random.default_rng(0).normal(0, 1, (500, 20))
    tokens[:, 7] = 3.25
    found = ChannelStatistics.of([tokens])
    assert 0.01 < found.std[7] < 0.1 and np.all(found.std[np.arange(20) != 7] > 0.9)
    assert np.all(ChannelStatistics.of([np.zeros((4, 3))]).std > 0)


def test_no_token_is_an_error() -> None:
    with pytest.raises(DataError, match="run encode_conditions"):
        ChannelStatistics.of([np.zeros((0, 3))])


def test_what_comes_out_does_not_hang_on_the_channels_scale() -> None:
    """An encoder that gave the same in other units would be as good."""
    rng = np.random.default_rng(1)
    tokens, scale, offset = rng.normal(size=(6, 5, 12)), rng.uniform(0.5, 40, 12), rng.normal(size=12) * 100
    results = []
    for values in (tokens, tokens * scale + offset):
        torch.manual_seed(0)
        layer = StandardizedProjection(12, 32, num_positions=5)
        layer.set_statistics(ChannelStatistics.of(list(values)))
        results.append(layer(torch.from_numpy(values).float()))
    torch.testing.assert_close(results[0], results[1], atol=1e-4, rtol=1e-4)


def test_a_place_of_the_picture_is_told_from_another() -> None:
    layer = StandardizedProjection(12, 32, num_positions=5)
    same = layer(torch.ones(1, 5, 12))
    assert (same[0, 0] - same[0, 1]).abs().max() > 0.1


@pytest.mark.parametrize("kind", CONFIGS)
def test_statistics_are_saved_with_the_weights(kind: type[TokenModel], condition: Condition, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = kind(CONFIGS[kind], STANDARDIZED)
    model.set_condition_statistics(ConditionStatistics(image=statistics_of(12, 0), text=statistics_of(10, 1)))
    loss, _ = model.training_loss(batch_of(condition), StepRandom(0, 0, range(4)))
    loss.backward()
    assert torch.isfinite(loss)
    model.save(tmp_path, tokenizer_hash="h")
    loaded = kind.load(tmp_path)
    names = [name for name, _ in loaded.named_buffers() if name.endswith(("projection.mean", "projection.std"))]
    assert len(names) == 4
    for name in names:
        assert torch.equal(loaded.get_buffer(name), model.get_buffer(name)) and bool(loaded.get_buffer(name).any())


def test_versions_of_before_keep_their_layer_norms(tmp_path: Path) -> None:
    """Their config.json names no number of image tokens."""
    model = LTR(CONFIGS[LTR], SHAPE)
    model.save(tmp_path, tokenizer_hash="h")
    text = (tmp_path / "config.json").read_text().replace(',\n    "num_image_tokens": 0', "")
    text = text.replace('    "num_image_tokens": 0,\n', "")
    assert "num_image_tokens" not in text
    (tmp_path / "config.json").write_text(text)
    loaded = LTR.load(tmp_path)
    assert "condition_tokens.image_projection.0.weight" in loaded.state_dict()
