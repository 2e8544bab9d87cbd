"""What registered models are called: ltm3d-REPRESENTATION, or ltm3d-NAME-REPRESENTATION where the recipe has a name."""

import re

from ltm3d.errors import ConfigError
from ltm3d.registry.versions import CHAMPION

NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,58}[a-z0-9])?")


def model_name(representation: str, name: str = "") -> str:
    """Return the registered model's name.

    Args:
        representation: e.g. `sdf`.
        name: of the data, e.g. `mychairs`; empty for the project's own recipes.

    Raises:
        ConfigError: the name has other characters than a registry's address takes.
    """
    if name and not NAME.fullmatch(name):
        raise ConfigError(
            f"name {name!r}: use 1 to 60 of a-z, 0-9, '.', '_' and '-', the first and last a letter or digit"
        )
    return f"ltm3d-{name}-{representation}" if name else f"ltm3d-{representation}"


def champion_of(representation: str, name: str = "") -> str:
    """Return the address of the version in use."""
    return f"models:/{model_name(representation, name)}@{CHAMPION}"
