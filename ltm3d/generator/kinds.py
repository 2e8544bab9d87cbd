"""The kinds of generator that can be trained and loaded: LTM3D's own and the baseline."""

from pathlib import Path

from ltm3d.generator.dit import Dit, DitConfig
from ltm3d.generator.model import Generator, GeneratorConfig
from ltm3d.generator.token_model import TokenShape
from ltm3d.nn.weights import load_config

AnyGeneratorConfig = GeneratorConfig | DitConfig
AnyGenerator = Generator | Dit


def build_generator(config: AnyGeneratorConfig, shape: TokenShape) -> AnyGenerator:
    """Build a model of the kind that its settings are of."""
    return Dit(config, shape) if isinstance(config, DitConfig) else Generator(config, shape)


def load_generator(folder: Path) -> AnyGenerator:
    """Read a model folder, in evaluation mode.

    Raises:
        ModelError: the folder holds no model.
    """
    kind = load_config(folder)["model"].get("kind", "masked")
    return Dit.load(folder) if kind == "dit" else Generator.load(folder)
