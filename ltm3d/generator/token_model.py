"""What the models over shape tokens share: what they must know of the tokens, and how they are saved and read."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from torch import nn

from ltm3d.generator.standardization import ConditionStatistics, StandardizedProjection
from ltm3d.nn.weights import load_config, load_weights, save_model
from ltm3d.settings import convert


@dataclass(frozen=True, kw_only=True)
class TokenShape:
    """What a model must know of its tokenizer and its condition encoders.

    Attributes:
        num_image_tokens: of a picture; 0 in versions whose model normalises each condition token on its own instead of
            standardising its channels by the training set.
    """

    num_tokens: int
    token_dim: int
    image_width: int
    text_width: int
    num_image_tokens: int = 0


class TokenModel(nn.Module):
    """A model built from its settings and the tokens' shape."""

    config_type: ClassVar[type]

    def __init__(self, config: Any, shape: TokenShape) -> None:
        super().__init__()
        self.config = config
        self.shape = shape

    def set_condition_statistics(self, statistics: ConditionStatistics) -> None:
        """Take over the training set's statistics of the prompts' tokens, before the training."""
        of_encoder = {"image_projection": statistics.image, "text_projection": statistics.text}
        for name, module in self.named_modules():
            if isinstance(module, StandardizedProjection):
                module.set_statistics(of_encoder[name.rpartition(".")[2]])

    def save(self, folder: Path, *, tokenizer_hash: str) -> None:
        """Write a model folder; `tokenizer_hash` says whose tokens it was trained on."""
        config = {"model": asdict(self.config), "shape": asdict(self.shape), "tokenizer_hash": tokenizer_hash}
        save_model(folder, self, config)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model folder, in evaluation mode.

        Raises:
            ModelError: the folder holds no model, or one of another make.
        """
        config = load_config(folder)
        model = cls(
            convert(config["model"], cls.config_type, f"{folder}: model"),
            convert(config["shape"], TokenShape, f"{folder}: shape"),
        )
        load_weights(model, folder)
        return model.eval().requires_grad_(False)
