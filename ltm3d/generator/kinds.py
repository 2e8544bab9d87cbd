"""The kinds of generator that can be trained and loaded: LTM3D's own and the baseline."""

from pathlib import Path

from ltm3d.generator.dit import Dit, DitConfig
from ltm3d.generator.ltr import LTR
from ltm3d.generator.model import Generator, GeneratorConfig
from ltm3d.generator.standardization import ConditionStatistics
from ltm3d.generator.token_model import TokenShape
from ltm3d.nn.weights import load_config

AnyGeneratorConfig = GeneratorConfig | DitConfig
AnyGenerator = Generator | Dit


def build_generator(config: AnyGeneratorConfig, shape: TokenShape) -> AnyGenerator:
    """Build a model of the kind that its settings are of."""
    return Dit(config, shape) if isinstance(config, DitConfig) else Generator(config, shape)


def uses_ltr(config: AnyGeneratorConfig) -> bool:
    """Say whether LTR takes part in the training."""
    if not isinstance(config, GeneratorConfig):
        return config.takes_guess
    corrupts = config.known_corruption > 0 and config.corruption == "reconstruction"
    return corrupts or config.masked_input == "guess"


def build_trainable(
    config: AnyGeneratorConfig, shape: TokenShape, statistics: ConditionStatistics, ltr: Path | None
) -> AnyGenerator:
    """Build the model to be trained.

    Args:
        statistics: of the training set's condition tokens.
        ltr: folder of the frozen LTR, where it takes part.
    """
    model = build_generator(config, shape)
    model.set_condition_statistics(statistics)
    if ltr is not None:
        model.set_ltr(LTR.load(ltr))
    return model


def load_generator(folder: Path) -> AnyGenerator:
    """Read a model folder, in evaluation mode.

    Raises:
        ModelError: the folder holds no model.
    """
    kind = load_config(folder)["model"].get("kind", "masked")
    return Dit.load(folder) if kind == "dit" else Generator.load(folder)
