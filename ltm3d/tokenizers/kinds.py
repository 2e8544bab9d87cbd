"""The kinds of tokenizer that can be trained and loaded, one for each representation.

`point_cloud` is `PointCloudTokenizer` in ltm3d/tokenizers/point_cloud.py. The module is imported when it is asked for,
so that a change of one representation makes nothing of another anew.
"""

from importlib import import_module
from pathlib import Path

from ltm3d.errors import ConfigError, ModelError
from ltm3d.nn.weights import load_config
from ltm3d.tokenizers.tokenizer import Tokenizer

REPRESENTATIONS = ("sdf", "point_cloud", "mesh", "gaussians")


def tokenizer_kind(representation: str) -> type[Tokenizer]:
    """Give the class that learns a representation."""
    if representation not in REPRESENTATIONS:
        raise ConfigError(f"{representation!r} has no tokenizer; one of {', '.join(REPRESENTATIONS)}")
    name = "".join(part.capitalize() for part in representation.split("_"))
    return getattr(import_module(f"ltm3d.tokenizers.{representation}"), f"{name}Tokenizer")


def load_tokenizer(folder: Path) -> Tokenizer:
    """Read a model folder, in evaluation mode.

    Raises:
        ModelError: the folder holds no tokenizer, or one of a kind that is not known here.
    """
    kind = load_config(folder).get("tokenizer")
    if kind not in REPRESENTATIONS:
        raise ModelError(f"{folder} holds no tokenizer but {kind!r}; the kinds are {', '.join(REPRESENTATIONS)}")
    return tokenizer_kind(kind).load(folder)
