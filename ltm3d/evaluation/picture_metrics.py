"""How alike renders of predicted and true shapes are, by EfficientNet-Lite0 (ImageNet) and by networks that are given.

Letters: V views, H W pixels, C channels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ltm3d.conditioning.efficientnet import EfficientNetEncoder
from ltm3d.conditioning.packages import EFFICIENTNET_LITE0
from ltm3d.conditioning.photo import composite
from ltm3d.evaluation.exported_model import ExportedModel
from ltm3d.metrics.embedding_similarity import mean_cosine
from ltm3d.metrics.frechet_distance import frechet_distance
from ltm3d.metrics.kernel_distance import kernel_distance

SPACE = "efficientnet-lite0"

Pictures = UInt8[np.ndarray, "V H W 4"]


@dataclass(frozen=True)
class PictureMetrics:
    """What pictures of all pairs say; the network's name is part of each metric's.

    Attributes:
        of_pairs: `picture_similarity:…`, the mean cosine of the same view of both over the views, and `lpips:…`.
        of_sets: `kid:…` (Bińkowski et al. 2018, one block) and `fid:…` of all predicted pictures against all true ones.
        num_views: of each shape.
        weights: sha256 of EfficientNet-Lite0's.
    """

    of_pairs: Mapping[str, Sequence[float]]
    of_sets: Mapping[str, float]
    num_views: int
    weights: str


def measure_pictures(
    predicted: Sequence[Pictures],
    true: Sequence[Pictures],
    *,
    encoder: ExportedModel | None = None,
    lpips: ExportedModel | None = None,
) -> PictureMetrics:
    """Embed the pictures of pairs and compare them.

    Args:
        encoder: gives `fid` and `kid` in its space, too.
        lpips: compares the same view of both.

    Raises:
        ModelError: EfficientNet's package is missing, or a network does not take the pictures.
        ValueError: one pair of one view alone, which is no set.
    """
    own = EfficientNetEncoder.load()
    ours, theirs = _embedded(predicted, own.summary), _embedded(true, own.summary)
    of_pairs = {f"picture_similarity:{SPACE}": [mean_cosine(a, b) for a, b in zip(ours, theirs, strict=True)]}
    of_sets = {f"kid:{SPACE}": kernel_distance(np.concatenate(ours), np.concatenate(theirs))}
    if encoder is not None:
        a, b = (np.concatenate(_embedded(each, _by(encoder))) for each in (predicted, true))
        of_sets |= {f"fid:{encoder.name}": frechet_distance(a, b), f"kid:{encoder.name}": kernel_distance(a, b)}
    if lpips is not None:
        pairs = zip(predicted, true, strict=True)
        of_pairs[f"lpips:{lpips.name}"] = [
            float(np.mean([lpips.distance(x, y) for x, y in zip(_on_white(a), _on_white(b), strict=True)]))
            for a, b in pairs
        ]
    return PictureMetrics(of_pairs, of_sets, len(predicted[0]), EFFICIENTNET_LITE0.record.sha256)


def _embedded(pictures: Sequence[Pictures], embed: Callable[[Pictures], Tensor]) -> list[Float[np.ndarray, "V C"]]:
    return [embed(each).cpu().numpy() for each in pictures]


def _by(encoder: ExportedModel) -> Callable[[Pictures], Tensor]:
    return lambda pictures: torch.stack([encoder.embed_picture(picture) for picture in _on_white(pictures)])


def _on_white(pictures: Pictures) -> Float[Tensor, "V 3 H W"]:
    return torch.from_numpy(composite(pictures)).permute(0, 3, 1, 2).float() / 255
