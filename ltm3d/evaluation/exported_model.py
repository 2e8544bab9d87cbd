"""Networks that a user gives as exported files, so that published encoders can score shapes without code of ours."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ltm3d.errors import ModelError

COLOUR = 0.4  # of each point, as published evaluations have it for shapes without colours


@dataclass(frozen=True)
class ExportedModel:
    """A network as its file has it; `name`, part of a metric's, is the file's with the first letters of its hash."""

    name: str
    call: Any

    def embed_points(self, points: Float[Tensor, "P 3"]) -> Float[Tensor, " E"]:
        """Embed one cloud of 8,192 points, not normalised, with one constant colour: input [1, 8192, 6]."""
        return self._run(torch.cat([points, torch.full_like(points, COLOUR)], dim=1)[None])

    def embed_picture(self, picture: Float[Tensor, "3 H W"]) -> Float[Tensor, " E"]:
        """Embed one picture on white, RGB in [0, 1]: input [1, 3, H, W]; the network brings it to its own size."""
        return self._run(picture[None])

    def distance(self, picture: Float[Tensor, "3 H W"], other: Float[Tensor, "3 H W"]) -> float:
        """Compare two pictures on white, RGB in [0, 1], as LPIPS does: two inputs [1, 3, H, W], one number."""
        return float(self._run(picture[None], other[None]).mean())

    def _run(self, *inputs: Tensor) -> Tensor:
        try:
            with torch.inference_mode():
                return torch.as_tensor(self.call(*inputs)).float().reshape(-1)
        except Exception as error:
            shapes = " and ".join(str(list(each.shape)) for each in inputs)
            raise ModelError(
                f"{self.name} does not take {shapes}: {type(error).__name__}: {str(error).splitlines()[0][:200]}; "
                "export it for inputs of this shape (docs/evaluation.md)"
            ) from error


def load_exported(path: Path) -> ExportedModel:
    """Load a program of torch.export (.pt2), or TorchScript (.pt).

    Raises:
        ModelError: no such file, or another kind.
    """
    if not path.is_file():
        raise ModelError(f"there is no exported network {path}: check the path")
    try:
        if path.suffix == ".pt2":
            call = torch.export.load(path).module()
        else:
            call = torch.jit.load(str(path), map_location="cpu").eval()
    except Exception as error:
        raise ModelError(
            f"{path} is no exported network ({str(error).splitlines()[0][:200]}): save a .pt2 by torch.export.save, or "
            "a .pt by torch.jit.save"
        ) from error
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return ExportedModel(f"{path.stem}-{digest[:8]}", call)
