"""A page of prompts with the true and the generated shapes side by side; it opens from the disk, offline."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from ltm3d.errors import ConfigError
from ltm3d.serving.packing import squeeze_shape
from ltm3d.serving.pages import WEBP_QUALITY, write_pages, write_shape_script
from ltm3d.serving.still_pictures import GalleryPictures, magnification, turning_pictures
from ltm3d.tokenizers.shape import Shape

# L tokens

PROMPT_KINDS = ("image", "text", "both", "none")
BLIND_KEY = "blind_key.json"
LOWER_IS_BETTER = ("chamfer", "emd", "mmd", "1nna")  # how the names of such metrics begin
Metrics = Mapping[str, float | str]


@dataclass(frozen=True, kw_only=True, eq=False)
class GalleryItem:
    """One prompt and what was made of it.

    Attributes:
        prompt_kind: `image`, `text` or `both`: what the generator was given; `none`: the true shape itself.
        prompt_image: uint8 [H, W, 3 or 4], or None.
        samples: one generated shape a seed, in the normalised frame; None where no surface came out.
        metrics: name → number (or text) of this item.
    """

    uid: str
    category: str
    caption: str
    prompt_kind: str
    prompt_image: np.ndarray | None
    truth: Shape
    samples: Sequence[Shape | None]
    metrics: Metrics

    def __post_init__(self) -> None:
        if self.prompt_kind not in PROMPT_KINDS:
            raise ConfigError(
                f"prompt_kind {self.prompt_kind!r} of {self.uid} is unknown; use one of {', '.join(PROMPT_KINDS)}"
            )
        if self.prompt_kind in ("image", "both") and self.prompt_image is None:
            raise ConfigError(f"{self.uid} has the prompt kind {self.prompt_kind} but no prompt_image; give the image")


@dataclass(frozen=True, kw_only=True, eq=False)
class GalleryProcess:
    """How one sample of an item came about, step by step.

    Attributes:
        number: of the sample.
        shapes: what the tokens decode to before the first step and after each; None where they hold no surface.
        known_at: step, from 1, after which each token is known.
    """

    uid: str
    prompt_kind: str
    number: int
    shapes: Sequence[Shape | None]
    known_at: Int[np.ndarray, " L"]


@dataclass(frozen=True, kw_only=True)
class GalleryWords:
    """What a page says.

    Attributes:
        title, subtitle: on top; without a subtitle the items are counted.
        version: of the model; it tells two apart when pages are put side by side.
        truth, sample: captions of the shapes.
    """

    title: str
    subtitle: str = ""
    version: str = ""
    truth: str = "true shape"
    sample: str = "generated"


@dataclass(frozen=True, kw_only=True)
class GalleryPlots:
    """What a page shows of all assets and of the training.

    Attributes:
        summary: the table on top; the keys are the columns, in the order they first come. A metric that has `…_low` and
            `…_high` beside it is drawn with that interval, too.
        curves: name → rows with `step` and losses.
    """

    summary: Sequence[Metrics] = ()
    curves: Mapping[str, Sequence[Mapping[str, float]]] = field(default_factory=dict)


def write_gallery(
    folder: Path,
    items: Sequence[GalleryItem],
    *,
    words: GalleryWords,
    plots: GalleryPlots | None = None,
    processes: Sequence[GalleryProcess] = (),
    pictures: GalleryPictures | None = None,
) -> Path:
    """Write `index.html` with its folder `assets`, and `gallery.html` with all inside; return the first one's path.

    With `#blind` in the address the page shows the first sample of each item without labels, in an order that takes the
    categories in turn; `blind_key.json` holds the answers.
    """
    pictures, plots = pictures or GalleryPictures(), plots or GalleryPlots()
    assets = folder / "assets"
    assets.mkdir(parents=True, exist_ok=True)
    files = _ShapeFiles(assets, pictures, _magnifications(items, processes))
    entries = [_write_item(files, index, item) for index, item in enumerate(items)]
    order = blind_order(items)
    data = {
        "title": words.title,
        "subtitle": words.subtitle or _count_line(items),
        "words": {"truth": words.truth, "sample": words.sample},
        "frames": pictures.num_frames,
        "lower_is_better": LOWER_IS_BETTER,
        "versions": [words.version],
        "summary": [_json_metrics(row) for row in plots.summary],
        "curves": [{"name": name, "rows": [_json_metrics(row) for row in rows]} for name, rows in plots.curves.items()],
        "items": entries,
        "processes": _write_processes(files, items, processes),
        "blind": order,
    }
    answers = [
        {"number": number, "uid": items[index].uid, "category": items[index].category, "caption": items[index].caption}
        for number, index in enumerate(order, start=1)
    ]
    (folder / BLIND_KEY).write_text(json.dumps(answers, indent=1) + "\n", "utf-8")
    return write_pages(folder, data)


def blind_order(items: Sequence[GalleryItem]) -> list[int]:
    """Return the items' positions: categories in turn, in an order that depends on uids only.

    An object that stands there once for each kind of prompt comes again only after all others of its category.
    """
    times_seen: Counter[str] = Counter()
    ranked = []
    for index, item in enumerate(items):
        ranked.append((times_seen[item.uid], _mix(item.uid), index))
        times_seen[item.uid] += 1
    num_taken: Counter[str] = Counter()
    rounds = []
    for _, mixed, index in sorted(ranked):
        category = items[index].category
        rounds.append((num_taken[category], mixed, index))
        num_taken[category] += 1
    return [index for _, _, index in sorted(rounds)]


def _mix(uid: str) -> str:
    return hashlib.sha256(uid.encode()).hexdigest()


def _count_line(items: Sequence[GalleryItem]) -> str:
    num_categories = len({item.category for item in items if item.category})
    num_shapes = sum(sample is not None for item in items for sample in item.samples)
    return f"{len(items)} prompts from {num_categories or 'unnamed'} categories, {num_shapes} generated shapes"


def _json_metrics(row: Metrics) -> dict[str, float | str | None]:
    """Return metrics as JSON may hold them: NaN and infinities become null."""
    return {name: value if isinstance(value, str) or math.isfinite(value) else None for name, value in row.items()}


def _magnifications(items: Sequence[GalleryItem], processes: Sequence[GalleryProcess]) -> dict[str, float]:
    """Return one for each object, so that it is of one size with every prompt."""
    shapes: dict[str, list[Shape]] = {}
    for item in items:
        shapes.setdefault(item.uid, []).extend([item.truth, *(each for each in item.samples if each is not None)])
    for process in processes:
        shapes.setdefault(process.uid, []).extend(each for each in process.shapes if each is not None)
    return {uid: round(magnification(group), 4) for uid, group in shapes.items()}


class _ShapeFiles:
    """Writes shapes and their pictures, each different one once, under neutral names: they tell a blind reader nothing.

    Attributes:
        magnify: of each object.
    """

    def __init__(self, assets: Path, pictures: GalleryPictures, magnify: Mapping[str, float]) -> None:
        self.assets, self.magnify = assets, magnify
        self._pictures = pictures
        self._names: dict[tuple[str, float], str] = {}

    def write(self, shape: Shape | None, uid: str, *, is_still: bool = False) -> str | None:
        """Write a strip of frames, or one, and the geometry; return their name, None for no shape."""
        from PIL import Image

        if shape is None:
            return None
        squeezed = squeeze_shape(shape)
        key = (hashlib.sha256(squeezed.encode()).hexdigest(), self.magnify[uid])
        if key not in self._names:
            name = f"shape{len(self._names):04d}"
            pictures = (
                GalleryPictures(num_frames=1, resolution=self._pictures.resolution) if is_still else self._pictures
            )
            frames = turning_pictures(shape, magnify=self.magnify[uid], pictures=pictures)
            Image.fromarray(np.concatenate(list(frames), axis=1)).save(
                self.assets / f"{name}.webp", quality=WEBP_QUALITY
            )
            write_shape_script(self.assets, name, squeezed)
            self._names[key] = name
        return self._names[key]


def _write_item(files: _ShapeFiles, index: int, item: GalleryItem) -> dict[str, Any]:
    from PIL import Image

    image = None
    if item.prompt_kind in ("image", "both") and item.prompt_image is not None:
        image = f"assets/prompt{index:04d}.png"
        Image.fromarray(item.prompt_image).save(files.assets.parent / image, optimize=True)
    return {
        "uid": item.uid,
        "category": item.category,
        "caption": item.caption,
        "prompt_kind": item.prompt_kind,
        "prompt_image": image,
        "prompt_text": item.caption if item.prompt_kind in ("text", "both") else None,
        "magnify": files.magnify[item.uid],
        "truth": files.write(item.truth, item.uid),
        "results": [
            {
                "version": 0,
                "samples": [files.write(sample, item.uid) for sample in item.samples],
                "metrics": _json_metrics(item.metrics),
            }
        ],
    }


def _write_processes(
    files: _ShapeFiles, items: Sequence[GalleryItem], processes: Sequence[GalleryProcess]
) -> list[dict[str, Any]]:
    place = {(item.uid, item.prompt_kind): index for index, item in enumerate(items)}
    return [
        {
            "item": place[process.uid, process.prompt_kind],
            "version": 0,
            "number": process.number,
            "steps": [files.write(shape, process.uid, is_still=True) for shape in process.shapes],
            "known_at": process.known_at.tolist(),
        }
        for process in processes
    ]
