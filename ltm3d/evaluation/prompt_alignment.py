"""How well a shape fits its prompt, by embeddings of models that no part of ours was trained with (eval/v1).

Letters: V views, H W pixels, E embedding channels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from ltm3d.conditioning.encoder import ConditionEncoder
from ltm3d.errors import ConfigError, ModelError
from ltm3d.evaluation.metrics_table import Scores
from ltm3d.evaluation.shape_pictures import shape_pictures
from ltm3d.geometry.mesh import Mesh
from ltm3d.metrics.embedding_similarity import mean_cosine
from ltm3d.nn.weights import WEIGHTS_FILE, weights_hash
from ltm3d.tokenizers.shape import Shape

MapSets = Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]
# Encoders of points that papers report; neither has a package, and without their weights no code of ours could be
# checked against theirs: a metric from it would carry their name without being theirs.
UNRUNNABLE = "there is no package of it, and no weights to check code of ours against: it is not measured here"


@dataclass(frozen=True, kw_only=True)
class AlignmentConfig:
    """Which weights say how well a shape fits its prompt.

    Attributes:
        clip: folders that transformers' save_pretrained wrote, or names on its hub; each is one pair of metrics.
        ulip2, uni3d: weights, reported as skipped whether given or not.
        num_views: pictures of each shape.
        resolution: pixels along a side.
    """

    clip: tuple[str, ...] = ()
    ulip2: str | None = None
    uni3d: str | None = None
    num_views: int = 4
    resolution: int = 224

    def __post_init__(self) -> None:
        if self.num_views < 1:
            raise ConfigError(f"num_views is {self.num_views}; it must be at least 1")
        if self.resolution < 16 or self.resolution % 4:
            raise ConfigError(f"resolution is {self.resolution}; it must be a multiple of 4, at least 16")


@dataclass(frozen=True)
class AlignmentWork:
    """A test asset: its caption, its true shape, and the shapes of each `prompt/method`, None = without a surface."""

    uid: str
    caption: str
    truth: Mesh
    shapes: Mapping[str, Sequence[Shape | None]]


@dataclass
class Alignment:
    """What was measured, and what was not.

    Attributes:
        by_asset: `prompt/method` → uid → metric → value; `none/true_mesh` is the ceiling.
        skipped: what was not measured → why.
    """

    by_asset: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def add_to(self, scores: Sequence[Scores]) -> None:
        """Put the metrics beside the others of the same assets."""
        for row in scores:
            for uid, metrics in self.by_asset.get(f"{row.prompt}/{row.method}", {}).items():
                row.by_asset[uid] |= metrics


def measure_alignment(work: Sequence[AlignmentWork], config: AlignmentConfig, *, map_assets: MapSets) -> Alignment:
    """Measure `clip_image:NAME` and `clip_text:NAME` for each configured CLIP.

    Both are means over pictures around the shape, of the cosine with the same picture of the true shape, and with the
    caption. A shape without a surface is an empty picture: it counts.

    Args:
        map_assets: how the pictures are taken: one asset after the other, or over workers; see `MapAssets`.
    """
    result = Alignment()
    for name, weights in (("ulip2", config.ulip2), ("uni3d", config.uni3d)):
        result.skipped[name] = UNRUNNABLE if weights else f"no weights are configured; {UNRUNNABLE}"
    encoders = {}
    for weights in config.clip:
        try:
            encoders[weights_name(weights)] = load_clip(weights)
        except ModelError as error:
            result.skipped[f"clip:{Path(weights).name}"] = str(error)
    if not config.clip:
        result.skipped["clip"] = "no weights are configured: name a folder in evaluation.alignment.clip"
    if not encoders:
        return result
    pictures = map_assets(partial(take_pictures, config=config), work)
    for asset, (true, taken) in zip(work, pictures, strict=True):
        for name, encoder in encoders.items():
            caption = encoder.encode_texts([asset.caption]).embedding.cpu().numpy()
            goal = encoder.encode_images(true).embedding.cpu().numpy()
            for row, rgbas in {"none/true_mesh": [true], **taken}.items():
                embedded = [encoder.encode_images(rgba).embedding.cpu().numpy() for rgba in rgbas]
                metrics = result.by_asset.setdefault(row, {}).setdefault(asset.uid, {})
                metrics[f"clip_image:{name}"] = float(np.mean([mean_cosine(each, goal) for each in embedded]))
                metrics[f"clip_text:{name}"] = float(np.mean([mean_cosine(each, caption) for each in embedded]))
    return result


def take_pictures(
    work: AlignmentWork, *, config: AlignmentConfig
) -> tuple[UInt8[np.ndarray, "V H W 4"], dict[str, list[UInt8[np.ndarray, "V H W 4"]]]]:
    """Take the pictures of the true shape, grey like the generated meshes, and of the others."""
    take = partial(shape_pictures, num_views=config.num_views, resolution=config.resolution)
    has_colors = any(shape is not None and not isinstance(shape, Mesh) for row in work.shapes.values() for shape in row)
    truth = work.truth if has_colors else Mesh(work.truth.vertices, work.truth.faces)
    taken = {
        name: [take(Mesh(shape.vertices, shape.faces) if isinstance(shape, Mesh) else shape) for shape in row]
        for name, row in work.shapes.items()
    }
    return take(truth), taken


def load_clip(weights: str) -> ConditionEncoder:
    """Load a CLIP whose pictures and texts can be compared.

    Raises:
        ModelError: not on this machine, or no CLIP.
    """
    encoder = ConditionEncoder.load(weights, weights)
    if not encoder.has_shared_space:
        raise ModelError(f"{weights} is no CLIP: its pictures and texts cannot be compared")
    return encoder


def weights_name(weights: str) -> str:
    """Name weights as a metric does: a folder by its name and the first letters of its hash, the hub's by theirs."""
    folder = Path(weights).expanduser()
    if not (folder / WEIGHTS_FILE).is_file():
        return weights.replace("/", "-")
    return f"{folder.resolve().name}-{weights_hash(folder)[:8]}"
