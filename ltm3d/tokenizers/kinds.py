"""The kinds of tokenizer that can be trained and loaded, one for each representation."""

from pathlib import Path

from ltm3d.errors import ConfigError, ModelError
from ltm3d.nn.weights import load_config
from ltm3d.tokenizers.gaussians import GaussiansTokenizer
from ltm3d.tokenizers.mesh import MeshTokenizer
from ltm3d.tokenizers.point_cloud import PointCloudTokenizer
from ltm3d.tokenizers.sdf import SdfTokenizer
from ltm3d.tokenizers.tokenizer import Tokenizer

TOKENIZERS: dict[str, type[Tokenizer]] = {
    kind.kind: kind for kind in (SdfTokenizer, PointCloudTokenizer, MeshTokenizer, GaussiansTokenizer)
}


def tokenizer_kind(representation: str) -> type[Tokenizer]:
    """Give the class that learns a representation."""
    if representation not in TOKENIZERS:
        raise ConfigError(f"{representation!r} has no tokenizer; one of {', '.join(TOKENIZERS)}")
    return TOKENIZERS[representation]


def load_tokenizer(folder: Path) -> Tokenizer:
    """Read a model folder, in evaluation mode.

    Raises:
        ModelError: the folder holds no tokenizer, or one of a kind that is not known here.
    """
    kind = load_config(folder).get("tokenizer")
    if kind not in TOKENIZERS:
        raise ModelError(f"{folder} holds no tokenizer but {kind!r}; the kinds are {', '.join(TOKENIZERS)}")
    return TOKENIZERS[kind].load(folder)
