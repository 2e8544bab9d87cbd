"""The training examples of the small CLIP: one view of an asset, its caption and points of its surface."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from jaxtyping import UInt8

from ltm3d.errors import DataError
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.sampling import sample_surface

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


class AssetViews(Protocol):
    """The views of all assets: a list, an array [A, V, H, W, 4], or what reads one asset at a time."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> UInt8[np.ndarray, "V H W 4"]: ...


class ClipExamples:
    """A random view, a caption and random surface points, one example an asset.

    Args:
        images: u8 [V, H, W, 4] for each asset, straight alpha.
        captions: one text for each asset.
        meshes: normalised; may be read from disk one at a time.
        num_points: on the surface, of each example.
    """

    def __init__(
        self,
        images: AssetViews,
        captions: Sequence[str],
        meshes: Sequence[Mesh],
        tokenizer: "PreTrainedTokenizerFast",
        *,
        num_points: int = 128,
    ) -> None:
        if not len(images) == len(captions) == len(meshes):
            raise DataError(
                f"{len(images)} assets have views, {len(captions)} captions and {len(meshes)} meshes: rerun the stages"
            )
        self.images = images
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
        views = self.images[index]
        return {
            "images": np.asarray(views[rng.integers(len(views))]),
            "text_ids": self.text_ids[index],
            "text_mask": self.text_mask[index],
            "caption_index": self.caption_index[index],
            "points": sample_surface(self.meshes[index], self.num_points, rng).points,
        }
