"""A toy with a known joint: two tokens that are both high or both low, and a small generator trained on it."""

import torch

from ltm3d.diffusion.flow_matching import FlowMatching
from ltm3d.generator.masking import MaskRatio
from ltm3d.generator.model import Generator, GeneratorConfig
from ltm3d.generator.token_model import TokenShape
from ltm3d.nn.randomness import StepRandom

SHAPE = TokenShape(num_tokens=2, token_dim=1, image_width=4, text_width=4)
BATCH = 128
LEVEL, SPREAD = 1.0, 0.15  # tokens are ±1, the same sign, each with noise of its own: correlation 0.978


def prompts(count: int) -> dict[str, torch.Tensor]:
    """The same prompt again and again."""
    return {
        "image_tokens": torch.ones(count, 1, 4),
        "text_tokens": torch.ones(count, 1, 4),
        "text_mask": torch.ones(count, 1, dtype=torch.bool),
    }


def train_on_pairs() -> Generator:
    """Six hundred steps, some ten seconds."""
    torch.manual_seed(0)
    config = GeneratorConfig(
        width=32,
        encoder_depth=1,
        decoder_depth=1,
        num_heads=2,
        num_prefix=2,
        denoiser_width=64,
        denoiser_depth=2,
        mask_ratio=MaskRatio(center=0.75, std=0.5, minimum=0.3),  # one of two, or both
        flow=FlowMatching(num_steps=16),
    )
    model = Generator(config, SHAPE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.0)
    random = torch.Generator().manual_seed(1)
    for step in range(600):
        sign = 2.0 * torch.randint(0, 2, (BATCH, 1, 1), generator=random) - 1
        tokens = LEVEL * sign + SPREAD * torch.randn(BATCH, 2, 1, generator=random)
        batch = {"mean": tokens, "std": torch.zeros_like(tokens), **prompts(BATCH)}
        loss, _ = model.training_loss(batch, StepRandom(0, step, range(BATCH)))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model.eval()
