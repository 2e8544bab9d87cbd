"""`ltm3d models`: the sizes of the generator in conf/, with parameters and operations."""

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from ltm3d.errors import ConfigError
from ltm3d.settings import convert


def models(
    conf: Annotated[Path, typer.Option(help="The checkout's conf/ folder.")] = Path("conf"),
    tokens: Annotated[int, typer.Option(min=1, help="Shape tokens, L.")] = 512,
    channels: Annotated[int, typer.Option(min=1, help="Channels of a token, D.")] = 32,
    condition_tokens: Annotated[int, typer.Option(min=2, help="Tokens of image and text together.")] = 334,
    condition_width: Annotated[int, typer.Option(min=1, help="Channels of a condition token.")] = 768,
    steps: Annotated[int, typer.Option(min=1, help="Steps of generation, S.")] = 64,
) -> None:
    """Show each size's parameters, and its operations a token in training and a shape in sampling.

    The defaults are the full SDF tokenizer's 512 x 32 tokens with DINOv2's 257 and CLIP's 77 condition tokens.

    Example:

        ltm3d models --tokens 64 --channels 16 --steps 12
    """
    from ltm3d.generator.model import GeneratorConfig
    from ltm3d.generator.sampling import SamplingConfig
    from ltm3d.generator.sizes import measure_size
    from ltm3d.generator.token_model import TokenShape

    shape = TokenShape(num_tokens=tokens, token_dim=channels, image_width=condition_width, text_width=condition_width)
    rows = []
    for path in sorted((conf / "generator").glob("*.yaml")):
        settings = read_option(path)
        if settings.get("kind", "masked") != "masked":
            continue
        config = convert(settings, GeneratorConfig, str(path))
        size = measure_size(config, shape, SamplingConfig(num_steps=steps), num_condition_tokens=condition_tokens)
        rows.append((sum(size.parameters.values()), path.stem, config, size))
    if not rows:
        raise ConfigError(f"{conf / 'generator'} holds no sizes; run it in a checkout, or give --conf")
    typer.echo(f"{tokens} tokens of {channels} channels, {condition_tokens} condition tokens, {steps} steps")
    typer.echo(
        f"{'size':<11}{'transformer':>16}{'denoiser':>12}{'parameters':>13}{'of it denoiser':>16}"
        f"{'training':>18}{'sampling':>16}"
    )
    for total, name, config, size in sorted(rows, key=lambda row: row[0]):
        depth = f"{config.width} x ({config.encoder_depth}+{config.decoder_depth})"
        typer.echo(
            f"{name:<11}{depth:>16}{f'{config.denoiser_width} x {config.denoiser_depth}':>12}{total / 1e6:>11.1f} M"
            f"{size.parameters['denoiser'] / 1e6:>14.1f} M{size.training_flops_per_token / 1e9:>8.3f} GFLOP/token"
            f"{size.sampling_flops / 1e12:>8.3f} TFLOP/shape"
        )


def read_option(path: Path) -> dict[str, Any]:
    """Read an option of conf/ with the options beside it that its `defaults` take over, as Hydra composes them."""
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    taken: dict[str, Any] = {}
    for name in settings.pop("defaults", ()):
        if name != "_self_":
            taken |= read_option(path.with_name(f"{name}.yaml"))
    return taken | settings
