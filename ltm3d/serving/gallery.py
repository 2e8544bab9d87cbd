"""A folder with one page: prompts, true and generated shapes side by side. It opens from the disk, offline."""

import hashlib
import json
import math
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from ltm3d.errors import ConfigError
from ltm3d.geometry.mesh import Mesh
from ltm3d.rendering.cameras import CANONICAL_AZIMUTH, CANONICAL_ELEVATION, ViewConfig, orbit_camera, orbit_distance
from ltm3d.rendering.embree import render
from ltm3d.serving.viewer import (
    ASSETS,
    FIELD_OF_VIEW,
    magnification,
    pack_mesh,
    script_json,
    three_script,
    viewer_script,
)

PROMPT_KINDS = ("image", "text", "both")
BLIND_KEY = "blind_key.json"


@dataclass(frozen=True, kw_only=True, eq=False)
class GalleryItem:
    """One prompt and what was made of it.

    Attributes:
        prompt_kind: `image`, `text` or `both`: what the generator was given.
        prompt_image: uint8 [H, W, 3 or 4], or None.
        samples: one generated shape a seed, in the normalised frame; None where no surface came out.
        figures: name → number (or text) of this item.
    """

    uid: str
    category: str
    caption: str
    prompt_kind: str
    prompt_image: np.ndarray | None
    truth: Mesh
    samples: Sequence[Mesh | None]
    figures: Mapping[str, float | str]

    def __post_init__(self) -> None:
        if self.prompt_kind not in PROMPT_KINDS:
            raise ConfigError(
                f"prompt_kind {self.prompt_kind!r} of {self.uid} is unknown; use one of {', '.join(PROMPT_KINDS)}"
            )
        if self.prompt_kind != "text" and self.prompt_image is None:
            raise ConfigError(f"{self.uid} has the prompt kind {self.prompt_kind} but no prompt_image; give the image")


@dataclass(frozen=True, kw_only=True)
class GalleryPictures:
    """How the turning pictures are taken: frames a turn, and pixels along a side."""

    num_frames: int = 8
    resolution: int = 224

    def __post_init__(self) -> None:
        if self.num_frames < 1 or self.resolution < 16:
            raise ConfigError(f"{self} is out of range; use at least 1 frame and 16 pixels")


def write_gallery(
    folder: Path,
    items: Sequence[GalleryItem],
    *,
    title: str,
    summary_rows: Sequence[Mapping[str, float | str]],
    subtitle: str = "",
    pictures: GalleryPictures | None = None,
) -> Path:
    """Write `index.html` and its assets, and return the page's path.

    With `#blind` in the address the page shows the first sample of each item without labels, in an order that takes the
    categories in turn; `blind_key.json` holds the answers.

    Args:
        summary_rows: the table on top; the keys are the columns, in the order they first come.
    """
    pictures = pictures or GalleryPictures()
    assets = folder / "assets"
    assets.mkdir(parents=True, exist_ok=True)
    for name in ("gallery.js", "gallery.css"):
        shutil.copyfile(ASSETS / name, assets / name)
    (assets / "three.js").write_text(three_script(), "utf-8")
    (assets / "viewer.js").write_text(viewer_script(), "utf-8")
    entries = [_write_item(assets, f"item{index:04d}", item, pictures) for index, item in enumerate(items)]
    order = blind_order(items)
    data = {
        "title": title,
        "subtitle": subtitle or _count_line(items),
        "frames": pictures.num_frames,
        "summary": [_json_figures(row) for row in summary_rows],
        "items": entries,
        "blind": order,
    }
    (assets / "items.js").write_text(f"window.GALLERY = {script_json(data)};\n", "utf-8")
    answers = [
        {"number": number, "uid": items[index].uid, "category": items[index].category, "caption": items[index].caption}
        for number, index in enumerate(order, start=1)
    ]
    (folder / BLIND_KEY).write_text(json.dumps(answers, indent=1) + "\n", "utf-8")
    page = folder / "index.html"
    page.write_text(Template((ASSETS / "gallery.html").read_text("utf-8")).substitute(title=escape(title)), "utf-8")
    return page


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


def _json_figures(row: Mapping[str, float | str]) -> dict[str, float | str | None]:
    """Return figures as JSON may hold them: NaN and infinities become null."""
    return {name: value if isinstance(value, str) or math.isfinite(value) else None for name, value in row.items()}


def _write_item(assets: Path, name: str, item: GalleryItem, pictures: GalleryPictures) -> dict[str, Any]:
    """Write the item's shapes and pictures under neutral names, which tell a blind reader nothing."""
    from PIL import Image

    magnify = round(magnification([item.truth, *(sample for sample in item.samples if sample is not None)]), 4)
    truth = _write_shape(assets, f"{name}_true", item.truth, magnify, pictures)
    samples = [
        None if sample is None else _write_shape(assets, f"{name}_{seed}", sample, magnify, pictures)
        for seed, sample in enumerate(item.samples)
    ]
    image = None
    if item.prompt_kind != "text" and item.prompt_image is not None:
        image = f"assets/{name}_prompt.png"
        Image.fromarray(item.prompt_image).save(assets / f"{name}_prompt.png", optimize=True)
    return {
        "uid": item.uid,
        "category": item.category,
        "caption": item.caption,
        "prompt_kind": item.prompt_kind,
        "prompt_image": image,
        "prompt_text": None if item.prompt_kind == "image" else item.caption,
        "magnify": magnify,
        "truth": truth,
        "samples": samples,
        "figures": _json_figures(item.figures),
    }


def _write_shape(assets: Path, name: str, mesh: Mesh, magnify: float, pictures: GalleryPictures) -> str:
    """Write a strip of frames and the geometry as a script that hands itself over."""
    from PIL import Image

    frames = _turn(mesh, magnify, pictures)
    Image.fromarray(np.concatenate(list(frames), axis=1)).save(assets / f"{name}.png", optimize=True)
    (assets / f"{name}.js").write_text(f'ltm3d.receive("{name}", {script_json(pack_mesh(mesh))});\n', "utf-8")
    return name


def _turn(mesh: Mesh, magnify: float, pictures: GalleryPictures) -> np.ndarray:
    """Return what the viewer shows while it turns: the turntable's pictures, enlarged about their middle."""
    distance = orbit_distance(ViewConfig(field_of_view=FIELD_OF_VIEW))
    azimuths = CANONICAL_AZIMUTH + 360 * np.arange(pictures.num_frames) / pictures.num_frames
    cameras = np.stack([orbit_camera(azimuth, CANONICAL_ELEVATION, distance) for azimuth in azimuths])
    narrowed = 2 * math.degrees(math.atan(math.tan(math.radians(FIELD_OF_VIEW) / 2) / magnify))
    return render(mesh, cameras, config=ViewConfig(resolution=pictures.resolution, field_of_view=narrowed)).images
