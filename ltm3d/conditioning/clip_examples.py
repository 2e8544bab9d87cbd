"""The training examples of the small CLIP: one view of an asset, its caption and points of its surface."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ltm3d.conditioning.seen_surface import seen_surface
from ltm3d.errors import DataError
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.sampling import sample_surface

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


class AssetViews(Protocol):
    """The views of all assets, a set of `schema.VIEWS` each: a list, or what reads one asset at a time."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Mapping[str, np.ndarray]: ...


class ClipExamples:
    """A random view with the surface it shows, a caption and random surface points, one example an asset.

    Args:
        views: of each asset; `images` u8 [V, H, W, 4] with straight alpha, `depth`, `normals` and `cameras`.
        captions: one text for each asset.
        meshes: normalised; may be read from disk one at a time.
        field_of_view: of the views, degrees.
        size: S, pixels of the encoder's picture.
        num_points: on the surface, of each example.
    """

    def __init__(
        self,
        views: AssetViews,
        captions: Sequence[str],
        meshes: Sequence[Mesh],
        tokenizer: "PreTrainedTokenizerFast",
        *,
        field_of_view: float,
        size: int,
        num_points: int = 128,
    ) -> None:
        if not len(views) == len(captions) == len(meshes):
            raise DataError(
                f"{len(views)} assets have views, {len(captions)} captions and {len(meshes)} meshes: rerun the stages"
            )
        self.views = views
        self.half_tangent = math.tan(math.radians(field_of_view) / 2)
        self.size = size
        self.meshes = meshes
        self.num_points = num_points
        encoded = tokenizer(
            list(captions),
            padding="max_length",
            truncation=True,
            max_length=tokenizer.model_max_length,
            return_tensors="np",
        )
        self.text_ids = np.asarray(encoded["input_ids"], dtype=np.int64)
        self.text_mask = np.asarray(encoded["attention_mask"], dtype=bool)
        _, inverse = np.unique(self.text_ids, axis=0, return_inverse=True)
        self.caption_index = inverse.reshape(-1).astype(np.int64)

    def __len__(self) -> int:
        return len(self.text_ids)

    def example(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Give one example, its view and points drawn by `rng`."""
        views = self.views[index]
        view = rng.integers(len(views["cameras"]))
        surface = seen_surface(
            *(np.asarray(views[name][view]) for name in ("depth", "normals", "cameras")),
            half_tangent=self.half_tangent,
            size=self.size,
        )
        return {
            "images": np.asarray(views["images"][view]),
            "surface": surface,
            "text_ids": self.text_ids[index],
            "text_mask": self.text_mask[index],
            "caption_index": self.caption_index[index],
            "points": sample_surface(self.meshes[index], self.num_points, rng).points,
        }
