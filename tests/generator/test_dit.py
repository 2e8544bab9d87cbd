from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_tokens import SHAPE, batch_of, is_nearest, memorise, randomize, rows

from ltm3d.diffusion.flow_matching import FlowMatching
from ltm3d.errors import ConfigError
from ltm3d.generator.dit import Dit, DitConfig
from ltm3d.generator.kinds import AnyGeneratorConfig, build_generator, load_generator
from ltm3d.generator.ltr import LTRConfig
from ltm3d.generator.model import Generator, GeneratorConfig
from ltm3d.generator.prefix import Condition
from ltm3d.generator.sampling import SamplingConfig, sample_at_once
from ltm3d.settings import convert
from ltm3d.training.blocks import prepare_blocks

PLAIN = SamplingConfig(guidance_scale=1.0)
BOTH = torch.ones(4, dtype=torch.bool)


@pytest.fixture
def dit() -> Dit:
    torch.manual_seed(0)
    config = DitConfig(width=32, depth=2, num_heads=4, num_prefix=3, flow=FlowMatching(num_steps=8))
    model = Dit(config, SHAPE).eval()
    randomize(model)
    return model


@pytest.mark.slow
def test_it_memorises_four_shapes(dit: Dit, condition: Condition) -> None:
    batch = batch_of(condition)
    memorise(dit, batch, 500)
    given = replace(condition, has_image=BOTH, has_text=BOTH)
    assert is_nearest(sample_at_once(dit, given, config=PLAIN, seeds=range(4)), batch["mean"])


def test_a_sample_does_not_depend_on_its_neighbours_but_on_its_seed(dit: Dit, condition: Condition) -> None:
    config = SamplingConfig(guidance_scale=3.0)
    whole = sample_at_once(dit, condition, config=config, seeds=[1, 2, 3, 4])
    first = rows(condition, [0])
    assert torch.allclose(sample_at_once(dit, first, config=config, seeds=[1]), whole[:1], atol=1e-5)
    assert not torch.allclose(sample_at_once(dit, first, config=config, seeds=[9]), whole[:1], atol=1e-2)


def test_guidance_moves_away_from_the_null_prompt(dit: Dit, condition: Condition) -> None:
    null = condition.dropped()
    plain, guided = (
        sample_at_once(dit, condition, config=replace(PLAIN, guidance_scale=scale), seeds=range(4))
        for scale in (1.0, 2.0)
    )
    unconditional = sample_at_once(dit, null, config=PLAIN, seeds=range(4))
    assert torch.allclose(sample_at_once(dit, null, config=SamplingConfig(), seeds=range(4)), unconditional, atol=1e-5)
    assert (guided - unconditional).norm() > (plain - unconditional).norm() > 0


def test_a_folder_is_read_back_as_what_it_holds(
    dit: Dit, generator: Generator, condition: Condition, tmp_path: Path
) -> None:
    for name, model in (("dit", dit), ("masked", generator)):
        model.save(tmp_path / name, tokenizer_hash="x")
        loaded = load_generator(tmp_path / name)
        assert type(loaded) is type(model) and loaded.config == model.config
    again = load_generator(tmp_path / "dit")
    assert isinstance(again, Dit)
    assert torch.equal(
        sample_at_once(again, condition, config=PLAIN, seeds=range(4)),
        sample_at_once(dit, condition, config=PLAIN, seeds=range(4)),
    )


def test_settings_name_their_kind_and_errors_are_of_that_kind() -> None:
    sizes = {"width": 32, "num_heads": 4, "num_prefix": 3}
    config = convert({"kind": "dit", "depth": 2, **sizes}, AnyGeneratorConfig, "model")
    assert isinstance(build_generator(config, SHAPE), Dit)
    with pytest.raises(ConfigError, match=r"model\.encoder_depth: unknown key"):
        convert({"kind": "dit", "encoder_depth": 2, **sizes}, AnyGeneratorConfig, "model")
    with pytest.raises(ConfigError, match=r"model\.depth: unknown key"):
        convert({"kind": "masked", "depth": 2, **sizes}, AnyGeneratorConfig, "model")
    with pytest.raises(ConfigError, match="single_modality"):
        DitConfig(depth=2, single_modality=0.6, **sizes)  # beside half the samples with an image alone


@pytest.mark.parametrize("change", [{"width": 0}, {"num_heads": 0}, {"depth": 0}, {"width": 30}])
@pytest.mark.parametrize("config_type", [DitConfig, LTRConfig, GeneratorConfig])
def test_sizes_of_which_no_model_can_be_built_are_refused(config_type: type, change: dict[str, int]) -> None:
    sizes = {"width": 32, "num_heads": 4} | change
    depth = sizes.pop("depth", 1)
    if config_type is GeneratorConfig:
        sizes |= {"encoder_depth": depth, "decoder_depth": 1, "denoiser_width": 32, "denoiser_depth": 1}
    else:
        sizes["depth"] = depth
    if config_type is not LTRConfig:
        sizes["num_prefix"] = 3
    with pytest.raises(ConfigError, match=rf"{next(iter(change))} (is )?{next(iter(change.values()))}"):
        config_type(**sizes)


def test_its_blocks_can_be_recomputed(dit: Dit) -> None:
    prepare_blocks(dit, recompute=True, compiles=False)
    assert all("forward" in vars(block) for block in dit.blocks)
