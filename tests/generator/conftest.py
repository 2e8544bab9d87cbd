"""Small models, the same for all tests of the generator."""

import pytest
import torch
from tiny_tokens import SHAPE, randomize

from ltm3d.diffusion.ddpm import Ddpm
from ltm3d.diffusion.flow_matching import FlowMatching
from ltm3d.generator.ltr import LTR, LTRConfig
from ltm3d.generator.model import Generator, GeneratorConfig
from ltm3d.generator.prefix import Condition


@pytest.fixture(params=["flow", "ddpm", "ddpm-learned"])
def generator(request: pytest.FixtureRequest) -> Generator:
    torch.manual_seed(0)
    config = GeneratorConfig(
        width=32,
        encoder_depth=2,
        decoder_depth=1,
        num_heads=4,
        num_prefix=3,
        denoiser_width=32,
        denoiser_depth=2,
        head=request.param.partition("-")[0],
        flow=FlowMatching(num_steps=4),
        ddpm=Ddpm(num_timesteps=100, num_steps=20, variance=request.param.partition("-")[2] or "fixed"),
    )
    model = Generator(config, SHAPE).eval()
    randomize(model, std=0.05 if "learned" in request.param else 0.2)  # wild variances make rounding errors large
    return model


@pytest.fixture
def ltr() -> LTR:
    torch.manual_seed(1)
    return LTR(LTRConfig(width=32, depth=1, num_heads=4), SHAPE).eval()


@pytest.fixture
def condition() -> Condition:
    random = torch.Generator().manual_seed(2)
    text_mask = torch.ones(4, 6, dtype=torch.bool)
    text_mask[:, 4:] = False
    return Condition(
        torch.randn(4, 5, 12, generator=random),
        torch.randn(4, 6, 10, generator=random),
        text_mask,
        has_image=torch.tensor([True, True, False, True]),
        has_text=torch.tensor([True, False, True, True]),
    )
