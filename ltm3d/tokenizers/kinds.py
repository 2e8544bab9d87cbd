"""The kinds of tokenizer that can be trained and loaded, one or more for each representation.

`point_cloud` is `PointCloudTokenizer` in ltm3d/tokenizers/point_cloud.py. The module is imported when it is asked for,
so that a change of one representation makes nothing of another anew.
"""

from functools import reduce
from importlib import import_module
from operator import or_
from pathlib import Path
from typing import Any

from ltm3d.errors import ConfigError, ModelError
from ltm3d.nn.weights import load_config
from ltm3d.settings import convert
from ltm3d.tokenizers.tokenizer import Tokenizer, saved_settings

REPRESENTATIONS = ("sdf", "point_cloud", "mesh", "gaussians")


def tokenizer_kind(representation: str) -> type[Tokenizer]:
    """Give the class that learns a representation; of several (`variants`) the one meant where settings do not say."""
    if representation not in REPRESENTATIONS:
        raise ConfigError(f"{representation!r} has no tokenizer; one of {', '.join(REPRESENTATIONS)}")
    name = "".join(part.capitalize() for part in representation.split("_"))
    return getattr(import_module(f"ltm3d.tokenizers.{representation}"), f"{name}Tokenizer")


def settings_type(representation: str) -> Any:
    """Give the settings class of a representation's tokenizer, or the union of them."""
    kind = tokenizer_kind(representation)
    return reduce(or_, (each.config_type for each in (kind, *kind.variants)))


def kind_of(representation: str, config: Any) -> type[Tokenizer]:
    """Give the class that settings are of."""
    kind = tokenizer_kind(representation)
    return next(each for each in (kind, *kind.variants) if isinstance(config, each.config_type))


def load_tokenizer(folder: Path) -> Tokenizer:
    """Read a model folder, in evaluation mode.

    Raises:
        ModelError: the folder holds no tokenizer, or one of a kind that is not known here.
    """
    kind = load_config(folder).get("tokenizer")
    if kind not in REPRESENTATIONS:
        raise ModelError(f"{folder} holds no tokenizer but {kind!r}; the kinds are {', '.join(REPRESENTATIONS)}")
    settings = convert(saved_settings(folder), settings_type(kind), f"{folder}: model")
    return kind_of(kind, settings).load(folder)
