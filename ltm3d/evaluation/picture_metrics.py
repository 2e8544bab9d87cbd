"""How alike renders of predicted and true shapes are, in the space of EfficientNet-Lite0 (ImageNet).

Letters: V views, H W pixels, C channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from ltm3d.conditioning.efficientnet import EfficientNetEncoder
from ltm3d.conditioning.packages import EFFICIENTNET_LITE0
from ltm3d.metrics.embedding_similarity import mean_cosine
from ltm3d.metrics.kernel_distance import kernel_distance

SPACE = "efficientnet-lite0"  # part of the metrics' names
SIMILARITY, KID = f"picture_similarity:{SPACE}", f"kid:{SPACE}"

Pictures = UInt8[np.ndarray, "V H W 4"]


@dataclass(frozen=True)
class PictureMetrics:
    """What pictures of all pairs say.

    Attributes:
        similarity: of each pair, the mean cosine of the same view of both, over the views.
        kid: of all predicted pictures against all true ones (Bińkowski et al. 2018), one block.
        num_views: of each shape.
        weights: sha256 of the network's.
    """

    similarity: tuple[float, ...]
    kid: float
    num_views: int
    weights: str


def measure_pictures(predicted: Sequence[Pictures], true: Sequence[Pictures]) -> PictureMetrics:
    """Embed the pictures of pairs and compare them.

    Raises:
        ModelError: the network's package is missing, or its file is another.
        ValueError: one pair of one view alone, which is no set.
    """
    encoder = EfficientNetEncoder.load()
    ours, theirs = ([_embed(encoder, pictures) for pictures in each] for each in (predicted, true))
    return PictureMetrics(
        similarity=tuple(mean_cosine(a, b) for a, b in zip(ours, theirs, strict=True)),
        kid=kernel_distance(np.concatenate(ours), np.concatenate(theirs)),
        num_views=len(predicted[0]),
        weights=EFFICIENTNET_LITE0.record.sha256,
    )


def _embed(encoder: EfficientNetEncoder, pictures: Pictures) -> Float[np.ndarray, "V C"]:
    return encoder.summary(pictures).cpu().numpy()
