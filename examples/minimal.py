"""From procedural shapes to a generated GLB on one core: python examples/minimal.py [FOLDER]

Each step is what a stage does for a whole data set. A hundred steps make a lump: `make demo` trains for minutes.
"""

import sys
from pathlib import Path

import numpy as np
import torch

import ltm3d
from ltm3d.generator.model import Generator, GeneratorConfig
from ltm3d.generator.prefix import Condition
from ltm3d.generator.sampling import SamplingConfig, sample_tokens
from ltm3d.generator.token_model import TokenShape
from ltm3d.nn.randomness import StepRandom
from ltm3d.procedural.objects import build_mesh, draw_object
from ltm3d.representations.sdf import SdfTargetConfig
from ltm3d.tokenizers.sdf import SdfTokenizer, SdfTokenizerConfig
from ltm3d.tokenizers.tokenizer import DecodeConfig

CATEGORIES = ("chair", "table", "lamp", "sofa")
STEPS = 100
POINTS = SdfTargetConfig(num_surface=512, num_sharp=1, num_volume=512, num_near=512)


def fit(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> None:
    """Train on the same shapes again and again."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for step in range(STEPS):
        loss, _ = model.training_loss(batch, StepRandom(0, step, range(len(CATEGORIES))))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    sys.stdout.write(f"{type(model).__name__}: loss {loss.item():.3f}\n")
    model.eval().requires_grad_(False)


def main(folder: Path) -> None:
    """Shapes → targets → tokenizer → tokens → generator → a sample → a file."""
    torch.manual_seed(0)
    drawn = [draw_object(category, seed=0, index=0) for category in CATEGORIES]
    meshes = [build_mesh(each.category, each.attributes, each.parameters) for each in drawn]
    targets = [ltm3d.prepare(mesh, target="sdf", config=POINTS) for mesh in meshes]
    shapes = {
        name: torch.from_numpy(np.stack([target[name] for target in targets]).astype(np.float32))
        for name in ("surface", "volume", "near")
    }

    sizes = {"width": 64, "encoder_depth": 1, "decoder_depth": 2, "num_heads": 4}
    tokenizer = SdfTokenizer(SdfTokenizerConfig(num_tokens=16, token_dim=8, **sizes))
    fit(tokenizer, shapes)
    latents = tokenizer.encode(shapes)
    tokenizer.set_latent_statistics(latents.mean, latents.std)
    tokens = tokenizer.normalize(latents.mean)  # [B, 16, 8], what the generator sees

    width = len(CATEGORIES)  # a category stands for a text: the real prompts' tokens come from frozen encoders
    prompts = Condition(
        image_tokens=torch.zeros(width, 1, width),
        text_tokens=torch.eye(width)[:, None],
        text_mask=torch.ones(width, 1, dtype=torch.bool),
        has_image=torch.zeros(width, dtype=torch.bool),
        has_text=torch.ones(width, dtype=torch.bool),
    )
    batch = {"mean": tokens, "std": torch.zeros_like(tokens), "image_tokens": prompts.image_tokens}
    batch |= {"text_tokens": prompts.text_tokens, "text_mask": prompts.text_mask}
    shape = TokenShape(num_tokens=16, token_dim=8, image_width=width, text_width=width)
    generator = Generator(GeneratorConfig(num_prefix=2, denoiser_width=64, denoiser_depth=2, **sizes), shape)
    fit(generator, batch)
    sampling = SamplingConfig(num_steps=8, alpha_schedule="off")  # no LTR here
    sampled = tokenizer.denormalize(sample_tokens(generator, prompts, config=sampling, seeds=range(width)))

    made = ltm3d.GeneratedShape(tokenizer.decode_shape(sampled[0], DecodeConfig(resolution=32)), seed=0)
    path, metrics = made.export(folder / "chair.glb"), ltm3d.evaluate(made, meshes[0], frame="normalize", points=5000)
    sys.stdout.write(f"{path}: {made}, CD-L1 to the true chair {metrics['chamfer_l1']:.3f}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd())
